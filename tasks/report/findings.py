"""The report in short: a line of each part, and one on the partition of this run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.report.rates import is_number, mean, positive, rate, rate_name
from fusemine.tasks.report.words import amount, cut, percent, plural, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from fusemine.tasks.report.model import Part, ReportInputs

ENOUGH = 20
"""Rows below which a partition says nothing about shares."""


def findings(inputs: ReportInputs, rows: pl.DataFrame, parts: Sequence[Part]) -> list[str]:
    """The lines of the parts, and the run's own partition beside the window."""
    return [*_lines(parts), _partition_line(inputs, rows, parts)]


def _lines(parts: Sequence[Part]) -> Iterator[str]:
    line = ""
    for part in parts:
        if line and part.finding and not part.continues:
            yield line
            line = ""
        line = " ".join(filter(None, [line, part.finding]))
    if line:
        yield line


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
    if is_number(inputs):
        means = mean(own["label"]), mean(rows["label"])
        return _beside(rate_name(inputs), *(None if m is None else amount(m) for m in means))
    rates = rate(own, positive(inputs)), rate(rows, positive(inputs))
    return _beside("label rate", *(None if r is None else percent(r) for r in rates))


def _beside(name: str, here: str | None, overall: str | None) -> str:
    if here is None or overall is None:
        return ""
    return f", {name} {here} against {overall} in the window"
