"""Stretches of time: the window's partitions, put together where there are many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl
    from numpy.typing import NDArray

    from fusemine.tasks.report.model import ReportInputs

FINE, COARSE = 120, 24
"""Most stretches of counts, and of shares, which need more rows."""


@dataclass(frozen=True)
class Timeline:
    """Consecutive partitions in stretches of equal number; the last may be shorter."""

    partitions: list[str]
    each: int
    """Partitions in a stretch."""

    @property
    def labels(self) -> list[str]:
        """A stretch's first and last partition."""
        parts = [self.partitions[i : i + self.each] for i in range(0, len(self), self.each)]
        return [p[0] if len(p) == 1 else f"{p[0]} to {p[-1]}" for p in parts]

    @property
    def stretches(self) -> int:
        """How many stretches there are."""
        return math.ceil(len(self) / self.each)

    @property
    def _places(self) -> dict[str, int]:
        return {partition: i // self.each for i, partition in enumerate(self.partitions)}

    def __len__(self) -> int:
        return len(self.partitions)

    def counts(self, rows: pl.DataFrame) -> NDArray[np.int64]:
        """Rows per stretch."""
        place = self._places
        totals = np.zeros(self.stretches, dtype=np.int64)
        for partition, n in rows.group_by("partition").len().iter_rows():
            if partition in place:
                totals[place[partition]] += n
        return totals

    def marks(self, partitions: Iterable[str]) -> list[int]:
        """The places of the stretches that hold any of some partitions, in order."""
        place = self._places
        return sorted({place[partition] for partition in partitions if partition in place})

    def split(self, rows: pl.DataFrame) -> list[pl.DataFrame]:
        """The rows of each stretch."""
        parts = [self.partitions[i : i + self.each] for i in range(0, len(self), self.each)]
        return [rows.filter(rows["partition"].is_in(part)) for part in parts]


def timeline(inputs: ReportInputs, most: int) -> Timeline:
    """The window's partitions and gaps, in order, in at most `most` stretches.

    Keys of one kind (days, ISO weeks, months, years) sort as text.
    """
    partitions = sorted({*inputs.partitions, *inputs.gaps, *inputs.clean["partition"].unique()})
    return Timeline(partitions, max(1, math.ceil(len(partitions) / most)))
