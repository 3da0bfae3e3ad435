"""The rows that are least like the others, with the reason for each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.mine.anomalies.report.bursts import group_bursts
from fusemine.tasks.mine.anomalies.report.model import Anomalies, Anomaly, View
from fusemine.tasks.mine.anomalies.report.repeats import repeats
from fusemine.tasks.report.facts import method, quoted, why_not
from fusemine.tasks.report.model import Quote, ReportInputs, Skipped, Summary
from fusemine.tasks.report.words import count, cut, finite, percent, plural, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusemine.tasks.report.settings import ReportSettings

FOLDED, NEW, NEAR, MOST = 30, 5, 3, 100
"""Rows that unfold; new ones that come before all others; usual rows like one; cards."""
RAREST = 1e-6
"""Smaller p-values are not told apart: they are guessed from the tail, far beyond any row."""
VIEWS = (
    ("text_score", "text", 0),
    ("table_score", "table", 2),
    ("match_score", "text against table", 4),
    ("time_score", "time", 6),
)
"""The scores of the views, their names, and the colours of their bars."""
_NAMES = {"match": "text against table"}


@dataclass(frozen=True)
class _Drawn:
    """What the cards are made from: rows that are ranked, texts by row, sizes by group."""

    ranked: int
    texts: dict[str, str]
    groups: dict[int, int]


def anomalies(
    inputs: ReportInputs, rows: pl.DataFrame, settings: ReportSettings
) -> Anomalies | Skipped:
    """The first new rows and then the highest ranked others as cards, none twice."""
    reason = why_not("Anomaly detection", inputs.anomaly, inputs.anomalies)
    if reason or inputs.anomalies is None:
        return Skipped(reason)
    scores, summary = inputs.anomalies, inputs.anomaly or {}
    order = scores.sort("rank")
    newest = _newest(order)
    others = order.filter(~pl.col("row_id").is_in(newest["row_id"].to_list()))
    cards = _cards(inputs, rows, pl.concat([newest, others]))
    first, last = newest.height, newest.height + settings.anomalies
    groups, more_groups = repeats(inputs)
    found, more_bursts = group_bursts(inputs)
    flagged = int(scores["flagged"].sum())
    return Anomalies(
        lead=_lead(scores, inputs.partition, summary),
        newest=cards[:first],
        shown=cards[first:last],
        folded=cards[last : last + FOLDED],
        flagged=flagged,
        new_flagged=new_flagged(scores),
        ranked=scores.height,
        threshold=_threshold(summary) if flagged else _unmet(summary),
        absent=_absent(summary),
        method=method(summary),
        repeats=groups,
        more_repeats=more_groups,
        bursts=found,
        more_bursts=more_bursts,
    )


def _newest(order: pl.DataFrame) -> pl.DataFrame:
    """The first rows of the newest partition that have a reason; none where all rows are new."""
    new = order.filter("new")
    told = new.filter(pl.col("reason").fill_null("") != "")
    return told.head(NEW if new.height < order.height else 0)


def new_flagged(scores: pl.DataFrame) -> int:
    """How many rows of the newest partition are flagged."""
    return scores.filter(pl.col("new") & pl.col("flagged")).height


def _lead(scores: pl.DataFrame, partition: str, summary: Summary) -> str:
    flagged, ranked = int(scores["flagged"].sum()), scores.height
    if not flagged:
        return _quiet(scores, partition, summary)
    verb = "is" if flagged == 1 else "are"
    said = (
        f"{count(flagged)} of {plural(ranked, 'row')} ({percent(flagged / ranked)}) {verb} flagged"
    )
    new, fresh = int(scores["new"].sum()), new_flagged(scores)
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


def _cards(inputs: ReportInputs, rows: pl.DataFrame, scores: pl.DataFrame) -> list[Anomaly]:
    """The first rows as cards."""
    head = scores.head(MOST)
    near = [row for ids in head["near"].drop_nulls() for row in ids[:NEAR]]
    groups = {} if inputs.repeats is None else dict(inputs.repeats.select("group", "rows").rows())
    drawn = _Drawn(scores.height, quoted(rows, near, 200), groups)
    joined = head.join(rows.drop("rank", "flagged"), on="row_id", how="left", maintain_order="left")
    return [_card(row, drawn) for row in joined.iter_rows(named=True)]


def _card(row: Mapping[str, Any], drawn: _Drawn) -> Anomaly:
    return Anomaly(
        rank=int(row["rank"]),
        rarity=_rarity(row["p_value"]),
        quote=Quote(
            row_id=cut(row["row_id"], 60),
            partition=cut(row["partition"] or "", 40),
            text=cut(row["text"] or "", 400),
            label=cut(row["label"] or "", 60),
            topic=cut(row["topic_name"] or "", 80),
        ),
        reason=cut(row["reason"] or "", 400),
        new=bool(row["new"]),
        flagged=bool(row["flagged"]),
        views=_views(row, drawn.ranked),
        near=[drawn.texts[i] for i in (row["near"] or [])[:NEAR] if i in drawn.texts],
        repeated=_repeated(row["group"], drawn.groups),
    )


def _rarity(chance: float) -> str:
    """A p-value as one in so many rows, to two digits: finer ones would not be true."""
    known = finite(chance)
    if known is None or known >= 1:
        return ""
    if known < RAREST:
        return f"under 1 in {count(1 / RAREST)}"
    rows = 1 / known
    told = round(rows, -max(len(str(int(rows))) - 2, 0))
    return f"1 in {count(told)}" if told > 1 else ""


def _views(row: Mapping[str, Any], ranked: int) -> list[View]:
    """What each view says; its evidence is the logarithm of how rare so high a score is."""
    scores = [finite(row[column]) for column, _, _ in VIEWS]
    most = 1 - 1 / (ranked + 1)
    weights = [0.0 if s is None else -math.log1p(-min(max(s, 0.0), most)) for s in scores]
    total = sum(weights) or 1.0
    return [
        View(name, score, weight / total, colour)
        for (_, name, colour), score, weight in zip(VIEWS, scores, weights, strict=True)
    ]


def _repeated(group: int | None, groups: dict[int, int]) -> str:
    if group is None or group not in groups:
        return ""
    return f"one of {plural(groups[group], 'row')} with nearly this text (group {group + 1})"
