"""Unusual rows as cards, each with the reason why it is unusual."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemine.tasks.report.facts import quoted
from fusemine.tasks.report.model import Quote
from fusemine.tasks.report.words import count, cut, finite, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from fusemine.tasks.report.model import ReportInputs

NEAR, MAX_CARDS = 3, 100
"""Typical rows named beside an unusual one, and cards."""
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
class CardView:
    """One way to compare a row.

    Attributes:
        name: Its name.
        score: The share of the rows that are less unusual, None where the row is not in the view.
        evidence: The view's share of all evidence that the row is unusual.
        colour: That of its bar.
    """

    name: str
    score: float | None
    evidence: float
    colour: int


@dataclass(frozen=True)
class Card:
    """An unusual row.

    Attributes:
        rank: Its rank.
        rarity: How rare such a row is, in words, such as 1 in 12,000; empty if unknown.
        quote: The row.
        reason: Why it is unusual.
        new: Whether it is of the newest partition.
        flagged: Whether it is flagged.
        views: How unusual it is in each view.
        near: The texts of the nearest rows that are typical.
        repeated: Which repeated text it has, in words, or nothing.
    """

    rank: int
    rarity: str
    quote: Quote
    reason: str
    new: bool
    flagged: bool
    views: list[CardView]
    near: list[str]
    repeated: str


def cards(inputs: ReportInputs, rows: pl.DataFrame, scores: pl.DataFrame) -> list[Card]:
    """The first rows as cards."""
    head = scores.head(MAX_CARDS)
    near = [row for ids in head["near"].drop_nulls() for row in ids[:NEAR]]
    repeats = inputs.table("anomalies", "repeats")
    groups = {} if repeats is None else dict(repeats.select("group", "rows").iter_rows())
    texts = quoted(rows, near, 200)
    joined = head.join(rows.drop("rank", "flagged"), on="row_id", how="left", maintain_order="left")
    return [_card(row, scores.height, texts, groups) for row in joined.iter_rows(named=True)]


def _card(
    row: Mapping[str, Any], ranked: int, texts: Mapping[str, str], groups: Mapping[int, int]
) -> Card:
    """A card, from the number of ranked rows, texts by row, and sizes by group."""
    return Card(
        rank=int(row["rank"]),
        rarity=rarity(row["p_value"]),
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
        views=card_views(row, ranked),
        near=[texts[i] for i in (row["near"] or [])[:NEAR] if i in texts],
        repeated=_repeated(row["group"], groups),
    )


def rarity(p_value: float) -> str:
    """A p-value as one in so many rows, to two digits: finer ones would not be true.

    >>> rarity(8.1e-5)
    '1 in 12,000'
    """
    known = finite(p_value)
    if known is None or known >= 1:
        return ""
    if known < RAREST:
        return f"under 1 in {count(1 / RAREST)}"
    rows = 1 / known
    shown = round(rows, -max(len(str(int(rows))) - 2, 0))
    return f"1 in {count(shown)}" if shown > 1 else ""


def card_views(row: Mapping[str, Any], ranked: int) -> list[CardView]:
    """What each view found of a row; its evidence is the logarithm of how rare its score is.

    Args:
        row: The row's scores, by their columns.
        ranked: How many rows there are: no score is rarer than 1 in one more.
    """
    scores = [finite(row[column]) for column, _, _ in VIEWS]
    most = 1 - 1 / (ranked + 1)
    weights = [0.0 if s is None else -math.log1p(-min(max(s, 0.0), most)) for s in scores]
    total = sum(weights) or 1.0
    return [
        CardView(name, score, weight / total, colour)
        for (_, name, colour), score, weight in zip(VIEWS, scores, weights, strict=True)
    ]


def _repeated(group: int | None, groups: Mapping[int, int]) -> str:
    if group is None or group not in groups:
        return ""
    return f"one of {plural(groups[group], 'row')} with nearly this text (group {group + 1})"
