"""Topics against categories: a map of what comes with what, for the most informative columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

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
    topics = real_topics(inputs).head(TOPICS)
    pairs = crossed.filter(pl.col("topic").is_in(topics["topic"].to_list()))
    hues = palette(inputs)
    names = {t: (name, hues.colour(t)) for t, name in topics.select("topic", "name").iter_rows()}
    return [
        _map(column, pairs.filter(pl.col("column") == column), names) for column in _best(pairs)
    ]


def _best(pairs: pl.DataFrame) -> list[str]:
    """The columns by the rows that are beyond chance in notable pairs."""
    beyond = pl.col("rows") * (1 - 1 / pl.col("lift"))
    notable = pairs.filter(pl.col("notable") & (pl.col("lift") > 1))
    order = notable.group_by("column").agg(beyond.sum().round(6).alias("beyond"))
    return order.sort(["beyond", "column"], descending=[True, False])["column"].to_list()[:COLUMNS]


def _map(column: str, pairs: pl.DataFrame, names: dict[int, tuple[str, int]]) -> HeatMap:
    levels = _levels(pairs)
    cells = {
        (topic, level): _cell(rows, share, lift, notable)
        for topic, level, rows, share, lift, notable in pairs.select(
            "topic", "level", "rows", "share", "lift", "notable"
        ).iter_rows()
    }
    return HeatMap(
        column=cut(column, 60),
        levels=_named(levels),
        rows=[
            HeatRow(name, colour, [cells.get((topic, level)) for level in levels])
            for topic, (name, colour) in names.items()
        ],
    )


def _levels(pairs: pl.DataFrame) -> list[str]:
    """The levels with most rows in notable pairs, in the order in which the pairs have them."""
    weight = pl.when("notable").then(pl.col("rows")).otherwise(0)
    levels = pairs.group_by("level", maintain_order=True).agg(weight.sum().alias("weight"))
    place = levels.with_row_index("place").sort(["weight", "place"], descending=[True, False])
    return place.head(LEVELS).sort("place")["level"].to_list()


def _named(levels: list[str]) -> list[str]:
    """The levels cut to be shown; less so where two would look alike."""
    short = [cut(level, SHORT) for level in levels]
    return short if len(set(short)) == len(short) else [cut(level, LONG) for level in levels]


def _cell(rows: int, share: float, lift: float, notable: bool) -> HeatCell:
    told = notable or rows >= FEW
    times = f"{amount(lift, 2)} times as many as by chance"
    said = f"{plural(rows, 'row')}, {percent(share)} of the topic's, {times}"
    return HeatCell(share, _shade(lift) if told else 0, notable, said)


def _shade(lift: float) -> int:
    """From -4 to 4, 0 near independence."""
    ratio = max(lift, 1 / lift) if lift > 0 else math.inf
    steps = sum(ratio >= least for least in SHADES)
    return steps if lift > 1 else -steps
