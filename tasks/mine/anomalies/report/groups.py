"""Groups of rows: texts that come again and again, and counts that left their usual range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.mine.anomalies.report.model import GroupBurst, Repeat
from fusemine.tasks.report.timeline import Timeline, timeline
from fusemine.tasks.report.words import count, cut, plural
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusemine.tasks.report.model import ReportInputs

REPEATS, BURSTS, STRETCHES = 40, 30, 40
"""Groups of either kind, and points of a small curve."""


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
    """A line for each group, the surest first, and how many more groups there are."""
    table = inputs.table("anomalies", "bursts")
    if table is None:
        return [], 0
    order = table.sort("p_value", "column", "level", "partition")
    groups = order.partition_by("column", "level", maintain_order=True)
    line = timeline(inputs, STRETCHES)
    found = []
    for group in groups[:BURSTS]:
        members = _members(inputs.clean, str(group["column"][0]), str(group["level"][0]))
        found.append(_line(group, members, line))
    return found, len(groups[BURSTS:])


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


def _line(group: pl.DataFrame, members: pl.DataFrame, line: Timeline) -> GroupBurst:
    """A group by its surest partition; its others are counted."""
    top = group.row(0, named=True)
    others = group.height - 1
    drawn = members.height and line.stretches >= 3
    counts = [float(n) for n in line.counts(members)] if drawn else []
    return GroupBurst(
        column=cut(top["column"], 60),
        level=cut(top["level"], 60),
        kind=cut(top["kind"], 20),
        said=_said(top),
        more=f"and in {plural(others, 'other partition')}" if others else "",
        counts=counts,
        marked=line.marks(group["partition"]) if counts else [],
    )


def _said(row: Mapping[str, Any]) -> str:
    low, high = count(row["low"]), count(row["high"])
    usual = f"{low} to {high} are usual" if low != high else f"{low} is usual"
    return f"{plural(int(row['rows']), 'row')} in {cut(row['partition'], 40)}, where {usual}"


def _members(clean: pl.DataFrame, column: str, level: str) -> pl.DataFrame:
    """The rows of a level of a category; none of a category that the table does not have."""
    known = CATEGORY + column in clean.columns
    return clean.filter(pl.col(CATEGORY + column) == level) if known else clean.clear()
