"""The window over time: rows and label, and what the stages counted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.report.model import Section, Series, Skipped, View
from fusemine.tasks.report.rates import classes, is_number, numbers, positive, rate_name
from fusemine.tasks.report.timeline import COARSE, FINE, Timeline, timeline
from fusemine.tasks.report.words import cut, finite, plural
from fusemine.tasks.stats.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.report.model import Part, ReportInputs

CLASSES = 3


@dataclass(frozen=True)
class Trends(Section):
    """The window, period by period."""

    remark: str
    labels: list[str]
    coarse_labels: list[str]
    rows: Series
    counts: list[Series]
    rates: list[Series]
    mean: Series | None
    """The mean of a label that is a number."""
    shares: dict[str, Sequence[Series]]
    """The shares that the parts contribute, by the heading above them."""


def trends(inputs: ReportInputs, rows: pl.DataFrame, parts: Sequence[Part]) -> View:
    """The section on time."""
    return View("trends", "Over time", "trends.html.j2", _trends(inputs, rows, parts))


def share(
    name: str, part: pl.DataFrame, whole: pl.DataFrame, line: Timeline, colour: int = 0
) -> Series:
    """The share of some rows in others, period by period, with its 95 % interval."""
    hits, rows = line.counts(part), line.counts(whole)
    values, low, high = (
        [value if n else None for value, n in zip(found.tolist(), rows, strict=True)]
        for found in (hits / np.maximum(rows, 1), *wilson(hits, rows))
    )
    return Series(name, values, low, high, colour)


def _trends(inputs: ReportInputs, rows: pl.DataFrame, parts: Sequence[Part]) -> Trends | Skipped:
    fine, coarse = timeline(inputs, FINE), timeline(inputs, COARSE)
    if len(fine) < 2:
        return Skipped("There is only one partition, so nothing can be compared over time.")
    shares = {title: group for part in parts for title, group in part.shares.items()}
    bursts = any(series.bursts for group in shares.values() for series in group)
    return Trends(
        lead=_lead(fine, rows),
        remark=_remark(fine, coarse, bursts),
        labels=fine.labels,
        coarse_labels=coarse.labels,
        rows=Series("rows", fine.counts(rows).tolist()),
        counts=[series for part in parts for series in part.counts],
        rates=[] if is_number(inputs) else _rates(inputs, rows, coarse),
        mean=_mean(inputs, rows, coarse) if is_number(inputs) else None,
        shares=shares,
    )


def _rates(inputs: ReportInputs, rows: pl.DataFrame, line: Timeline) -> list[Series]:
    labelled = rows.filter(pl.col("label").is_not_null())
    followed = positive(inputs)
    found = [name for name, _ in classes(rows["label"])[:CLASSES]]
    names = {followed: rate_name(inputs)} if followed else {n: f"labelled {cut(n)}" for n in found}
    return [
        share(text, labelled.filter(pl.col("label") == name), labelled, line)
        for name, text in names.items()
    ]


def _mean(inputs: ReportInputs, rows: pl.DataFrame, line: Timeline) -> Series | None:
    """The mean of the label per period, with 1.96 standard errors on either side.

    The spread of all rows is used, because a period may hold a single row.
    """
    spread = finite(numbers(rows["label"]).std()) or 0.0
    parts = [numbers(part["label"]) for part in line.split(rows)]
    means = [finite(part.mean()) for part in parts]
    if all(value is None for value in means):
        return None
    errors = [1.96 * spread / math.sqrt(part.len() or 1) for part in parts]
    pairs = list(zip(means, errors, strict=True))
    low, high = (
        [None if value is None else value + side * error for value, error in pairs]
        for side in (-1, 1)
    )
    return Series(rate_name(inputs), means, low, high)


def _lead(line: Timeline, rows: pl.DataFrame) -> str:
    counts = Timeline(line.partitions, 1).counts(rows)
    top = int(counts.argmax())
    return (
        f"{plural(len(line), 'partition')} from {line.partitions[0]} to {line.partitions[-1]}; "
        f"{line.partitions[top]} has the most rows ({counts[top]:,})."
    )


def _remark(fine: Timeline, coarse: Timeline, bursts: bool) -> str:
    remarks = [f"Each count covers {fine.each} partitions."] if fine.each > 1 else []
    if coarse.each > 1:
        remarks.append(
            f"Each share covers {coarse.each} partitions; the band is its 95 % interval."
        )
    else:
        remarks.append("The band around a share is its 95 % interval.")
    if bursts:
        remarks.append("A ring marks a burst: far more rows than earlier partitions suggest.")
    return " ".join(remarks)
