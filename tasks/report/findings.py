"""The report in short: a line of each part, and one on the partition of this run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.report.rates import is_number, mean, positive, rate, rate_name
from fusemine.tasks.report.words import amount, cut, percent, plural, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from fusemine.tasks.report.model import Part, ReportInputs

ENOUGH = 20
"""Rows below which a partition says nothing about shares."""


def findings(inputs: ReportInputs, rows: pl.DataFrame, parts: Sequence[Part]) -> list[str]:
    """The lines of the parts, and the run's own partition beside the window."""
    lines: list[str] = []
    for part in parts:
        if part.finding and part.continues and lines:
            lines[-1] += f" {part.finding}"
        elif part.finding:
            lines.append(part.finding)
    return [*lines, _partition_line(inputs, rows, parts)]


def _partition_line(inputs: ReportInputs, rows: pl.DataFrame, parts: Sequence[Part]) -> str:
    """Rows and label rate of the partition, and what the parts find notable in it."""
    own = rows.filter(rows["partition"] == inputs.partition)
    said = f"{cut(inputs.partition, 40)}: {plural(own.height, 'row')}"
    if own.height == rows.height:
        return sentence(said)
    if own.height < ENOUGH:
        return f"{said}, too few to set against the window."
    notable = "".join(f"; {part.notable}" for part in parts if part.notable)
    return sentence(said + _followed(inputs, own, rows) + notable)


def _followed(inputs: ReportInputs, own: pl.DataFrame, rows: pl.DataFrame) -> str:
    """The rate or the mean of the label here and in the window."""
    followed, numbers = positive(inputs), is_number(inputs)
    found = [mean(part["label"]) if numbers else rate(part, followed) for part in (own, rows)]
    if None in found:
        return ""
    name, said = (rate_name(inputs), amount) if numbers else ("label rate", percent)
    return f", {name} {said(found[0])} against {said(found[1])} in the window"
