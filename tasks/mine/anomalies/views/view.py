"""Views: the ways in which rows are compared, what each finds, and the table that they read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.anomalies.views.mahalanobis import TABLE_SHRINKAGE, Covariance
from fusemine.tasks.stats.sampling import evenly_spaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from fusemine.tasks.text.distinct import Texts

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]
    Vectors = NDArray[np.float32]
    """Vectors of texts or features of rows, (n, d)."""

TYPICAL = 0.1
"""A row or text of a p-value above this is typical: nothing about it is unusual."""
VIEWS = ("text", "table", "match", "time")


@dataclass(frozen=True)
class View:
    """One way to compare the rows.

    Attributes:
        p_values: (n,) how probable a row as unusual is, NaN for a row that is not in the view.
        note: `used`, or why the view is not there.
        detectors: What `p_values` is combined from, by name, each (n,) p-values.
    """

    p_values: Floats
    note: str = "used"
    detectors: dict[str, Floats] = field(default_factory=dict)

    @property
    def used(self) -> bool:
        """Whether at least one row is in the view."""
        return bool((~np.isnan(self.p_values)).any())

    def ordered(self, known: Flags) -> Floats:
        """The p-values of the known rows in the view, ascending."""
        return np.sort(self.p_values[known & ~np.isnan(self.p_values)])

    def shares(self, ordered: Floats) -> Floats:
        """(n,) the share of the known rows in the view that are less unusual, NaN for none."""
        less = len(ordered) - np.searchsorted(ordered, self.p_values, "right")
        return np.where(np.isnan(self.p_values), np.nan, less / max(len(ordered), 1))


def absent(rows: int, note: str) -> View:
    """A view that is not there."""
    return View(np.full(rows, np.nan), note)


def texts_of(texts: Texts, rows: Flags) -> Flags:
    """(m,) the distinct texts that at least one of some rows (n,) has."""
    found = np.zeros(len(texts), bool)
    found[texts.of_row[rows & (texts.of_row >= 0)]] = True
    return found


def evenly_chosen(known: Flags, most: int) -> Ints:
    """The places of at most so many of the known (n,), evenly spread.

    >>> evenly_chosen(np.array([True, False, True, True, True]), 2).tolist()
    [0, 3]
    """
    places = np.flatnonzero(known)
    return places[evenly_spaced(len(places), most)]


@dataclass(frozen=True)
class Table:
    """The columns besides the text, as features.

    Attributes:
        clean: The clean table of n rows.
        features: (n, c) numbers and categories, finite.
        names: Their c names, `<block>.<column>` or `<block>.<column> = <level>`.
    """

    clean: pl.DataFrame
    features: Vectors
    names: Sequence[str]

    @classmethod
    def of(cls, clean: pl.DataFrame, features: Vectors, names: Sequence[str]) -> Table:
        """What is not finite counts 0."""
        return cls(clean, np.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0), names)

    def covariance(self, known: Flags) -> Covariance | None:
        """The centre and covariance of the known rows (n,); None where no two of them differ."""
        return Covariance.of(self.features[known], TABLE_SHRINKAGE)
