"""The unusual rows in the report: the section with a card for each, and the highlights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.mine.anomalies.report.cards import Card, cards
from fusemine.tasks.mine.anomalies.report.groups import GroupBurst, Repeat, group_bursts, repeats
from fusemine.tasks.report.facts import columns, method, quoted, short_reason, why_missing
from fusemine.tasks.report.markdown import chapter, table
from fusemine.tasks.report.model import (
    Figure,
    Part,
    ReportInputs,
    Section,
    Series,
    Skipped,
    Summary,
    View,
)
from fusemine.tasks.report.timeline import FINE, timeline
from fusemine.tasks.report.words import count, cut, finite, percent, plural, sentence
from fusemine.tasks.table.escaping import escape_markdown

if TYPE_CHECKING:
    from fusemine.tasks.report.settings import ReportSettings

FOLDED, NEW = 30, 5
"""Rows that unfold, and new ones that come before all others."""
LINES = 10
"""Rows of the Markdown table, besides the first new ones."""
_NAMES = {"match": "text against table"}


@dataclass(frozen=True)
class Anomalies(Section):
    """The most unusual rows, in order.

    Attributes:
        newest: The first new ones, which come nowhere else.
        shown: The first of the others.
        folded: The next ones, which unfold.
        flagged: How many rows are flagged.
        threshold: Which rows are flagged, in words.
        absent: The views that no row is in, and why.
        method: How they were found.
        repeats: Repeated texts.
        more_repeats: How many more of them there are.
        bursts: Groups that left their usual range.
        more_bursts: How many more of them there are.
    """

    newest: list[Card]
    shown: list[Card]
    folded: list[Card]
    flagged: int
    threshold: str
    absent: str
    method: str
    repeats: list[Repeat] = field(default_factory=list)
    more_repeats: int = 0
    bursts: list[GroupBurst] = field(default_factory=list)
    more_bursts: int = 0


def section(inputs: ReportInputs, rows: pl.DataFrame, settings: ReportSettings) -> Part:
    """The unusual rows, also in short, and how many are flagged over time."""
    found = anomalies(inputs, rows, settings)
    return Part(
        views=[View("anomalies", "Unusual rows", "anomalies.html.j2", found)],
        figures=_figures(inputs),
        finding=_finding(inputs, rows),
        summary=_markdown(found),
        counts=_counts(inputs, rows),
    )


def facts(inputs: ReportInputs) -> pl.DataFrame:
    """Each row's rank, the least usual first, and whether it is flagged."""
    return columns(inputs.table("anomalies"), {"rank": pl.Int64, "flagged": pl.Boolean})


def anomalies(
    inputs: ReportInputs, rows: pl.DataFrame, settings: ReportSettings
) -> Anomalies | Skipped:
    """The first new rows and then the highest ranked others as cards, none twice."""
    reason, scores = why_missing(inputs, "anomalies", "Anomaly detection"), _scores(inputs)
    if reason or scores is None:
        return Skipped(reason)
    summary = inputs.summary("anomalies") or {}
    order = scores.sort("rank")
    newest = _newest(order)
    others = order.filter(~pl.col("row_id").is_in(newest["row_id"].to_list()))
    found = cards(inputs, rows, pl.concat([newest, others]))
    first, last = newest.height, newest.height + settings.anomalies
    groups, more_groups = repeats(inputs)
    bursts, more_bursts = group_bursts(inputs)
    flagged, _ = _flagged(scores)
    return Anomalies(
        lead=_lead(scores, inputs.partition, summary),
        newest=found[:first],
        shown=found[first:last],
        folded=found[last : last + FOLDED],
        flagged=flagged,
        threshold=_threshold(summary) if flagged else _unmet(summary),
        absent=_absent(summary),
        method=method(summary),
        repeats=groups,
        more_repeats=more_groups,
        bursts=bursts,
        more_bursts=more_bursts,
    )


def _scores(inputs: ReportInputs) -> pl.DataFrame | None:
    """The scores of the rows; None where there are none."""
    scores = inputs.table("anomalies")
    return scores if scores is not None and scores.height else None


def _flagged(scores: pl.DataFrame) -> tuple[int, int]:
    """How many rows are flagged, and how many of them are of the newest partition."""
    return int(scores["flagged"].sum()), int((scores["new"] & scores["flagged"]).sum())


def _newest(order: pl.DataFrame) -> pl.DataFrame:
    """The first rows of the newest partition that have a reason; none where all rows are new."""
    new = order.filter("new")
    explained = new.filter(pl.col("reason").fill_null("") != "")
    return explained.head(NEW if new.height < order.height else 0)


def _lead(scores: pl.DataFrame, partition: str, summary: Summary) -> str:
    (flagged, new_flagged), ranked = _flagged(scores), scores.height
    if not flagged:
        return _lead_without_flags(scores, partition, summary)
    verb = "is" if flagged == 1 else "are"
    start = (
        f"{count(flagged)} of {plural(ranked, 'row')} ({percent(flagged / ranked)}) {verb} flagged"
    )
    if not 0 < int(scores["new"].sum()) < ranked:
        return f"{start} as unusual."
    who = f"{count(new_flagged)} of them new" if new_flagged else "none of them new"
    return f"{start} as unusual, {who} in {cut(partition, 40)}{_judged(scores, summary)}."


def _lead_without_flags(scores: pl.DataFrame, partition: str, summary: Summary) -> str:
    start = (
        f"None of {plural(scores.height, 'row')} is flagged as unusual; shown are the least usual"
    )
    if not _newest(scores).height:
        return f"{start}."
    return f"{start}, those new in {cut(partition, 40)} first{_judged(scores, summary)}."


def _judged(scores: pl.DataFrame, summary: Summary) -> str:
    """By what new rows were judged; too few rows before them judge nothing."""
    history = summary.get("against_history", scores.height - int(scores["new"].sum()))
    return f", judged by the {plural(history, 'row')} before" if history else ""


def _threshold(summary: Summary) -> str:
    """By which rule rows are flagged, and how many flags are expected to be false alarms."""
    rule, share = _rule(summary)
    alarms = f"about {percent(share)} of the flags are expected to be false alarms"
    text = "; ".join(filter(None, [rule, alarms if share is not None else ""]))
    return sentence(text[:1].upper() + text[1:]) if text else ""


def _unmet(summary: Summary) -> str:
    """What would be flagged, where nothing is."""
    rule, share = _rule(summary)
    if not rule:
        return ""
    alarms = f"so that about {percent(share)} of the flags would be false alarms; none does"
    return f"F{rule[1:]}, {alarms}." if share is not None else f"F{rule[1:]}; there are none."


def _rule(summary: Summary) -> tuple[str, float | None]:
    """Which rows are flagged, if it is known, and the share of false alarms among them."""
    threshold = summary.get("threshold") or {}
    share = finite(threshold.get("expected_false_share", summary.get("expected_false_alarms")))
    rule = threshold.get("rule")
    return cut(f"flagged are {rule}", 300) if rule else "", share


def _absent(summary: Summary) -> str:
    """The views that no row is in."""
    notes = {name: note for name, note in (summary.get("views") or {}).items() if note != "used"}
    each = [f"{_NAMES.get(name, cut(name, 30))} ({cut(note, 120)})" for name, note in notes.items()]
    return sentence(f"Not judged: {', '.join(each)}") if each else ""


def _figures(inputs: ReportInputs) -> list[Figure]:
    """How many rows are flagged."""
    if (scores := _scores(inputs)) is None:
        return []
    flagged, new = _flagged(scores)
    words = [percent(flagged / scores.height), f"{count(new)} new" if new else ""]
    return [Figure("unusual rows", count(flagged), ", ".join(filter(None, words)))]


def _finding(inputs: ReportInputs, rows: pl.DataFrame) -> str:
    """The line of the report in short."""
    if (scores := _scores(inputs)) is None:
        return f"Unusual rows: none; {short_reason(inputs.summary('anomalies'))}"
    (flagged, new), first = _flagged(scores), _first(scores, rows)
    if not flagged:
        none = f"none of {plural(scores.height, 'row')} is flagged"
        return sentence(f"Unusual rows: {none}; the least usual is {first}")
    fresh = f", {count(new)} of them new" if new else ""
    return sentence(f"Unusual rows: {count(flagged)} flagged{fresh}; the first is {first}")


def _first(scores: pl.DataFrame, rows: pl.DataFrame) -> str:
    """The least usual row, with its reason or else its text."""
    top = scores.sort("rank").row(0, named=True)
    text = quoted(rows, [top["row_id"]], 70).get(top["row_id"])
    why = cut(top["reason"] or "", 140) or (f"“{text}”" if text else "")
    return f"row {cut(top['row_id'], 40)}" + (f": {why}" if why else "")


def _counts(inputs: ReportInputs, rows: pl.DataFrame) -> list[Series]:
    """The flagged rows over time."""
    if rows["flagged"].null_count() == rows.height:
        return []
    flagged = timeline(inputs, FINE).counts(rows.filter("flagged"))
    return [Series("flagged as unusual", flagged.tolist(), colour=1)]


def _markdown(found: Anomalies | Skipped) -> str:
    """The chapter of the Markdown summary."""
    title, lead = "Unusual rows", escape_markdown(found.lead)
    if isinstance(found, Skipped):
        return chapter(title, lead)
    marks = bool(found.flagged)
    rows = [
        (
            card.rank,
            card.rarity,
            *(["yes" if card.flagged else ""] if marks else []),
            f"{card.quote.row_id} (new)" if card.new else card.quote.row_id,
            card.quote.text[:160],
            card.reason,
        )
        for card in [*found.newest, *[*found.shown, *found.folded][:LINES]]
    ]
    header = ("rank", "as rare as", *(["flagged"] if marks else []), "row", "text", "reason")
    written = table(header, rows, words=len(header))
    return chapter(title, lead, escape_markdown(found.threshold), written)
