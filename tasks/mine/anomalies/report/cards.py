"""Unusual rows as cards, each with the reason why it is unusual."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.anomalies.report.model import Anomaly, View
from fusemine.tasks.report.facts import quoted
from fusemine.tasks.report.model import Quote
from fusemine.tasks.report.words import count, cut, finite, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from fusemine.tasks.report.model import ReportInputs

NEAR, MOST = 3, 100
"""Usual rows like one, and cards."""
RAREST = 1e-6
"""Smaller p-values are not distinguished: they are extrapolated far beyond any row."""
VIEWS = (
    ("text_score", "text", 0),
    ("table_score", "table", 2),
    ("match_score", "text against table", 4),
    ("time_score", "time", 6),
)
"""The scores of the views, their names, and the colours of their bars."""


@dataclass(frozen=True)
class _Drawn:
    """What the cards are made from: rows that are ranked, texts by row, sizes by group."""

    ranked: int
    texts: dict[str, str]
    groups: dict[int, int]


def cards(inputs: ReportInputs, rows: pl.DataFrame, scores: pl.DataFrame) -> list[Anomaly]:
    """The first rows as cards."""
    head = scores.head(MOST)
    near = [row for ids in head["near"].drop_nulls() for row in ids[:NEAR]]
    repeats = inputs.table("anomalies", "repeats")
    groups = {} if repeats is None else dict(repeats.select("group", "rows").iter_rows())
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
    """The result of each view; its evidence is the logarithm of how rare so high a score is."""
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
