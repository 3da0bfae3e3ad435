"""Groups of rows whose counts left their usual range: bursts and level shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.mine.anomalies.report.model import GroupBurst
from fusemine.tasks.report.timeline import Timeline, timeline
from fusemine.tasks.report.words import count, cut, plural
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from fusemine.tasks.report.model import ReportInputs

MOST, STRETCHES = 30, 40


def group_bursts(inputs: ReportInputs) -> tuple[list[GroupBurst], int]:
    """A line for each group, the surest first, and how many more groups there are."""
    if inputs.bursts is None:
        return [], 0
    order = inputs.bursts.sort("p_value", "column", "level", "partition")
    groups = order.partition_by("column", "level", maintain_order=True)
    line = timeline(inputs, STRETCHES)
    found = []
    for group in groups[:MOST]:
        members = _members(inputs.clean, str(group["column"][0]), str(group["level"][0]))
        found.append(_line(group, members, line))
    return found, len(groups[MOST:])


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


def _said(row: dict[str, Any]) -> str:
    low, high = count(row["low"]), count(row["high"])
    usual = f"{low} to {high} are usual" if low != high else f"{low} is usual"
    return f"{plural(int(row['rows']), 'row')} in {cut(row['partition'], 40)}, where {usual}"


def _members(clean: pl.DataFrame, column: str, level: str) -> pl.DataFrame:
    """The rows of a level of a category; none of a category that the table does not have."""
    known = CATEGORY + column in clean.columns
    return clean.filter(pl.col(CATEGORY + column) == level) if known else clean.clear()
