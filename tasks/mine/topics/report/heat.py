"""Topics by categories: heat maps of the most informative columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.mine.topics.report.model import HeatCell, HeatMap, HeatRow
from fusemine.tasks.mine.topics.report.themes import palette, real_topics
from fusemine.tasks.report.words import amount, cut, percent, plural

if TYPE_CHECKING:
    from fusemine.tasks.report.model import ReportInputs

COLUMNS, LEVELS, TOPICS = 3, 8, 12
SHORT, LONG = 40, 160
"""Characters of a level's name, and of names that begin alike."""
SHADES = (1.25, 1.7, 2.5, 4.0)
"""Times more, or fewer, than by chance from which on a cell has the first to the last shade."""
FEW = 5
"""Rows below which a cell has no shade, unless it is notable."""


def heat_maps(inputs: ReportInputs) -> list[HeatMap]:
    """Maps of the columns in which most rows are in notable pairs; none where there are none."""
    crossed = inputs.table("topics", "crossed")
    if crossed is None or not crossed.height:
        return []
    topics, hues = real_topics(inputs).head(TOPICS), palette(inputs)
    pairs = crossed.filter(pl.col("topic").is_in(topics["topic"].to_list()))
    shown = {t: (name, hues.colour(t)) for t, name in topics.select("topic", "name").iter_rows()}
    return [
        _map(column, pairs.filter(pl.col("column") == column), shown) for column in _columns(pairs)
    ]


def _columns(pairs: pl.DataFrame) -> list[str]:
    """The columns with the most rows beyond chance in notable pairs."""
    beyond = pl.col("rows") * (1 - 1 / pl.col("lift"))
    notable = pairs.filter(pl.col("notable") & (pl.col("lift") > 1))
    order = notable.group_by("column").agg(beyond.sum().round(6).alias("beyond"))
    return order.sort(["beyond", "column"], descending=[True, False])["column"].to_list()[:COLUMNS]


def _map(column: str, pairs: pl.DataFrame, topics: dict[int, tuple[str, int]]) -> HeatMap:
    levels = _levels(pairs)
    cells = {(row["topic"], row["level"]): _cell(row) for row in pairs.iter_rows(named=True)}
    # Names are cut to be shown; less so where two would look alike.
    short = [cut(level, SHORT) for level in levels]
    return HeatMap(
        column=cut(column, 60),
        levels=short if len(set(short)) == len(short) else [cut(level, LONG) for level in levels],
        rows=[
            HeatRow(name, colour, [cells.get((topic, level)) for level in levels])
            for topic, (name, colour) in topics.items()
        ],
    )


def _levels(pairs: pl.DataFrame) -> list[str]:
    """The levels with most rows in notable pairs, in the order in which the pairs have them."""
    weight = pl.when("notable").then(pl.col("rows")).otherwise(0)
    levels = pairs.group_by("level", maintain_order=True).agg(weight.sum().alias("weight"))
    place = levels.with_row_index("place").sort(["weight", "place"], descending=[True, False])
    return place.head(LEVELS).sort("place")["level"].to_list()


def _cell(pair: dict[str, Any]) -> HeatCell:
    rows, share, lift, notable = (pair[name] for name in ("rows", "share", "lift", "notable"))
    times = f"{amount(lift, 2)} times as many as by chance"
    text = f"{plural(rows, 'row')}, {percent(share)} of the topic's, {times}"
    return HeatCell(share, shade(lift) if notable or rows >= FEW else 0, notable, text)


def shade(lift: float) -> int:
    """From -4 to 4, 0 near independence.

    >>> shade(3.0), shade(1.1), shade(0.0)
    (3, 0, -4)
    """
    ratio = max(lift, 1 / lift) if lift > 0 else math.inf
    steps = sum(ratio >= least for least in SHADES)
    return steps if lift > 1 else -steps
