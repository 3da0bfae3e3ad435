"""Groups of rows: texts that repeat, and counts outside their usual range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.report.timeline import Timeline, timeline
from fusemine.tasks.report.words import count, cut, plural
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusemine.tasks.report.model import ReportInputs

REPEATS, BURSTS, PERIODS = 40, 30, 40
"""Groups of either kind, and points of a small curve."""


@dataclass(frozen=True)
class Repeat:
    """A text that repeats, with small changes or none."""

    group: int
    rows: int
    texts: int
    share: float
    span: str
    peak: str
    text: str
    burst: bool


@dataclass(frozen=True)
class GroupBurst:
    """A group of rows whose counts left their usual range.

    Attributes:
        column: The column of categories.
        level: The group.
        kind: Whether it is a burst or a level shift.
        summary: The partition of the least p-value, in words.
        more: How many other partitions there are, in words, or nothing.
        counts: Its rows in each period of time, empty where they are not known.
        marked: The periods in which it left its range.
    """

    column: str
    level: str
    kind: str
    summary: str
    more: str
    counts: list[float]
    marked: list[int]


def repeats(inputs: ReportInputs) -> tuple[list[Repeat], int]:
    """The groups with most rows, bursts first, and how many more there are."""
    table = inputs.table("anomalies", "repeats")
    if table is None:
        return [], 0
    order = ["burst", "rows", "group"]
    groups = table.sort(order, descending=[True, True, False])
    found = [_repeat(row) for row in groups.head(REPEATS).iter_rows(named=True)]
    return found, groups.height - len(found)


def group_bursts(inputs: ReportInputs) -> tuple[list[GroupBurst], int]:
    """A line for each group, the least p-value first, and how many more groups there are."""
    table = inputs.table("anomalies", "bursts")
    if table is None:
        return [], 0
    order = table.sort("p_value", "column", "level", "partition")
    groups = order.partition_by("column", "level", maintain_order=True)
    line = timeline(inputs, PERIODS)
    return [_group_burst(group, inputs.clean, line) for group in groups[:BURSTS]], len(
        groups[BURSTS:]
    )


def _repeat(row: Mapping[str, Any]) -> Repeat:
    first, last = cut(row["first"], 40), cut(row["last"], 40)
    return Repeat(
        group=int(row["group"]) + 1,
        rows=int(row["rows"]),
        texts=int(row["texts"]),
        share=float(row["share"]),
        span=first if first == last else f"{first} to {last}",
        peak=f"{plural(int(row['peak_rows']), 'row')} in {cut(row['peak'], 40)}",
        text=cut(row["text"], 160),
        burst=bool(row["burst"]),
    )


def _group_burst(group: pl.DataFrame, clean: pl.DataFrame, line: Timeline) -> GroupBurst:
    """A group by its partition of the least p-value; its others are counted."""
    top = group.row(0, named=True)
    others, column = group.height - 1, CATEGORY + top["column"]
    # A category that the table does not have has no rows.
    same = pl.col(column) == top["level"] if column in clean.columns else pl.lit(False)
    members = clean.filter(same)
    drawn = members.height and line.periods >= 3
    counts = [float(n) for n in line.counts(members)] if drawn else []
    return GroupBurst(
        column=cut(top["column"], 60),
        level=cut(top["level"], 60),
        kind=cut(top["kind"], 20),
        summary=_summary(top),
        more=f"and in {plural(others, 'other partition')}" if others else "",
        counts=counts,
        marked=line.marks(group["partition"]) if counts else [],
    )


def _summary(row: Mapping[str, Any]) -> str:
    low, high = count(row["low"]), count(row["high"])
    usual = f"{low} to {high} are usual" if low != high else f"{low} is usual"
    return f"{plural(int(row['rows']), 'row')} in {cut(row['partition'], 40)}, where {usual}"
