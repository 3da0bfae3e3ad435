"""The rows that are least like the others, with the reason for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.mine.anomalies.report import in_short
from fusemine.tasks.mine.anomalies.report.cards import cards
from fusemine.tasks.mine.anomalies.report.groups import group_bursts, repeats
from fusemine.tasks.mine.anomalies.report.model import Anomalies
from fusemine.tasks.report.facts import columns, method, why_not
from fusemine.tasks.report.model import Part, ReportInputs, Skipped, Summary, View
from fusemine.tasks.report.words import count, cut, finite, percent, plural, sentence

if TYPE_CHECKING:
    from fusemine.tasks.report.settings import ReportSettings

FOLDED, NEW = 30, 5
"""Rows that unfold, and new ones that come before all others."""
_NAMES = {"match": "text against table"}


def section(inputs: ReportInputs, rows: pl.DataFrame, settings: ReportSettings) -> Part:
    """The unusual rows, also in short, and how many are flagged over time."""
    found = anomalies(inputs, rows, settings)
    return Part(
        views=[View("anomalies", "Unusual rows", "anomalies.html.j2", found)],
        figures=in_short.figures(inputs),
        finding=in_short.finding(inputs, rows),
        summary=in_short.summary(found),
        counts=in_short.counts(inputs, rows),
    )


def facts(inputs: ReportInputs) -> pl.DataFrame:
    """Each row's rank, the least usual first, and whether it is flagged."""
    return columns(inputs.table("anomalies"), {"rank": pl.Int64, "flagged": pl.Boolean})


def anomalies(
    inputs: ReportInputs, rows: pl.DataFrame, settings: ReportSettings
) -> Anomalies | Skipped:
    """The first new rows and then the highest ranked others as cards, none twice."""
    reason, scores = why_not(inputs, "anomalies", "Anomaly detection"), inputs.table("anomalies")
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
    flagged = int(scores["flagged"].sum())
    return Anomalies(
        lead=_lead(scores, inputs.partition, summary),
        newest=found[:first],
        shown=found[first:last],
        folded=found[last : last + FOLDED],
        flagged=flagged,
        new_flagged=in_short.new_flagged(scores),
        threshold=_threshold(summary) if flagged else _unmet(summary),
        absent=_absent(summary),
        method=method(summary),
        repeats=groups,
        more_repeats=more_groups,
        bursts=bursts,
        more_bursts=more_bursts,
    )


def _newest(order: pl.DataFrame) -> pl.DataFrame:
    """The first rows of the newest partition that have a reason; none where all rows are new."""
    new = order.filter("new")
    told = new.filter(pl.col("reason").fill_null("") != "")
    return told.head(NEW if new.height < order.height else 0)


def _lead(scores: pl.DataFrame, partition: str, summary: Summary) -> str:
    flagged, ranked = int(scores["flagged"].sum()), scores.height
    if not flagged:
        return _quiet(scores, partition, summary)
    verb = "is" if flagged == 1 else "are"
    said = (
        f"{count(flagged)} of {plural(ranked, 'row')} ({percent(flagged / ranked)}) {verb} flagged"
    )
    new, fresh = int(scores["new"].sum()), in_short.new_flagged(scores)
    if not 0 < new < ranked:
        return f"{said} as unusual."
    who = f"{count(fresh)} of them new" if fresh else "none of them new"
    return f"{said} as unusual, {who} in {cut(partition, 40)}{_judged(scores, summary)}."


def _quiet(scores: pl.DataFrame, partition: str, summary: Summary) -> str:
    """The lead where no row is flagged."""
    said = (
        f"None of {plural(scores.height, 'row')} is flagged as unusual; shown are the least usual"
    )
    if not _newest(scores).height:
        return f"{said}."
    return f"{said}, those new in {cut(partition, 40)} first{_judged(scores, summary)}."


def _judged(scores: pl.DataFrame, summary: Summary) -> str:
    """By what new rows were judged; too few rows before them judge nothing."""
    history = summary.get("against_history", scores.height - int(scores["new"].sum()))
    return f", judged by the {plural(history, 'row')} before" if history else ""


def _threshold(summary: Summary) -> str:
    """How the flags came about, and how many of them are expected to be false alarms."""
    rule, share = _rule(summary)
    alarms = f"about {percent(share)} of the flags are expected to be false alarms"
    said = "; ".join(filter(None, [rule, alarms if share is not None else ""]))
    return sentence(said[:1].upper() + said[1:]) if said else ""


def _unmet(summary: Summary) -> str:
    """What would be flagged, where nothing is."""
    rule, share = _rule(summary)
    if not rule:
        return ""
    alarms = f"so that about {percent(share)} of the flags would be false alarms; none does"
    return f"F{rule[1:]}, {alarms}." if share is not None else f"F{rule[1:]}; there are none."


def _rule(summary: Summary) -> tuple[str, float | None]:
    """Which rows are flagged, if it is known, and the share of false alarms among them."""
    told = summary.get("threshold") or {}
    share = finite(told.get("expected_false_share", summary.get("expected_false_alarms")))
    return cut(f"flagged are {told['rule']}", 300) if told.get("rule") else "", share


def _absent(summary: Summary) -> str:
    """The views that could judge no row."""
    notes = {name: note for name, note in (summary.get("views") or {}).items() if note != "used"}
    said = [f"{_NAMES.get(name, cut(name, 30))} ({cut(note, 120)})" for name, note in notes.items()]
    return sentence(f"Not judged: {', '.join(said)}") if said else ""
