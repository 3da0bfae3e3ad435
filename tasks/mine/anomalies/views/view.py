"""The ways in which rows are looked at, and what each of them finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.anomalies.views.mahalanobis import TABLE_SHRINKAGE, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from fusemine.tasks.text.distinct import Texts

USUAL = 0.1
"""A text that this share of the texts or less is as far away as, is nobody's usual neighbour."""
VIEWS = ("text", "table", "match", "time")


@dataclass(frozen=True)
class View:
    """One way to look at the rows.

    Attributes:
        tails: (n,) how probable a row as unusual is, NaN for a row that is not in the view.
        note: `used`, or why the view is not there.
        detectors: What `tails` is joined from, by name, each (n,) p-values.
    """

    tails: NDArray[np.float64]
    note: str = "used"
    detectors: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def used(self) -> bool:
        return bool((~np.isnan(self.tails)).any())

    def ordered(self, known: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The p-values of the known rows in the view, ascending."""
        return np.sort(self.tails[known & ~np.isnan(self.tails)])

    def shares(self, ordered: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) the share of the known rows in the view that are less unusual, NaN for none."""
        less = len(ordered) - np.searchsorted(ordered, self.tails, "right")
        return np.where(np.isnan(self.tails), np.nan, less / max(len(ordered), 1))


def absent(rows: int, note: str) -> View:
    """A view that is not there."""
    return View(np.full(rows, np.nan), note)


def texts_of(texts: Texts, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(m,) the distinct texts that at least one of some rows (n,) has."""
    found = np.zeros(len(texts), bool)
    found[texts.of_row[rows & (texts.of_row >= 0)]] = True
    return found


@dataclass(frozen=True)
class Table:
    """The columns besides the text, as features.

    Attributes:
        clean: The clean table of n rows.
        features: (n, c) numbers and categories, finite.
        names: Their c names, `<block>.<column>` or `<block>.<column> = <level>`.
    """

    clean: pl.DataFrame
    features: NDArray[np.float32]
    names: Sequence[str]

    @classmethod
    def of(cls, clean: pl.DataFrame, features: NDArray[np.float32], names: Sequence[str]) -> Table:
        """What is not finite counts 0."""
        return cls(clean, np.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0), names)

    def shape(self, known: NDArray[np.bool_]) -> Shape | None:
        """The shape of the known rows, by which a row's features are named."""
        return Shape.of(self.features[known], TABLE_SHRINKAGE)
