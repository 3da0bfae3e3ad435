"""Periods of time: the window's partitions, put together where there are many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl
    from numpy.typing import NDArray

    from fusemine.tasks.report.model import ReportInputs

FINE, COARSE = 120, 24
"""Most periods of counts, and of shares, which need more rows."""


@dataclass(frozen=True)
class Timeline:
    """Consecutive partitions in periods of equal length; the last may be shorter.

    >>> Timeline(["2024-01", "2024-02", "2024-03"], 2).labels
    ['2024-01 to 2024-02', '2024-03']
    """

    partitions: list[str]
    each: int
    """Partitions in a period."""

    @cached_property
    def _parts(self) -> list[list[str]]:
        return [self.partitions[i : i + self.each] for i in range(0, len(self), self.each)]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, part in enumerate(self._parts) for name in part}

    @property
    def labels(self) -> list[str]:
        """A period's first and last partition."""
        return [p[0] if len(p) == 1 else f"{p[0]} to {p[-1]}" for p in self._parts]

    @property
    def periods(self) -> int:
        """How many periods there are."""
        return len(self._parts)

    def __len__(self) -> int:
        return len(self.partitions)

    def counts(self, rows: pl.DataFrame) -> NDArray[np.int64]:
        """Rows in each period, (periods,)."""
        totals = np.zeros(self.periods, dtype=np.int64)
        for partition, n in rows.group_by("partition").len().iter_rows():
            if partition in self._places:
                totals[self._places[partition]] += n
        return totals

    def marks(self, partitions: Iterable[str]) -> list[int]:
        """The places of the periods that hold any of some partitions, in order."""
        return sorted({self._places[name] for name in partitions if name in self._places})

    def split(self, rows: pl.DataFrame) -> list[pl.DataFrame]:
        """The rows of each period."""
        return [rows.filter(rows["partition"].is_in(part)) for part in self._parts]


def timeline(inputs: ReportInputs, most: int) -> Timeline:
    """The window's partitions and gaps, in order, in at most `most` periods.

    Keys of one kind (days, ISO weeks, months, years) sort as text.
    """
    partitions = sorted({*inputs.partitions, *inputs.gaps, *inputs.clean["partition"].unique()})
    return Timeline(partitions, max(1, math.ceil(len(partitions) / most)))
