"""What turns rows into features: one part per kind of column, in scikit-learn's manner.

A part has `fit`, `transform`, `fit_transform` and `get_feature_names_out`. It reads `Rows` and
keeps only what it saw while it was fitted, so that it can be fitted inside a fold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
import polars as pl

from tasks.contracts import CATEGORY, NUMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tasks.fuse.settings import FuseSettings

BlockName: TypeAlias = Literal["text", "terms", "numbers", "categories"]
Matrix: TypeAlias = Any
"""A float32 matrix (rows, features): a NumPy array, or SciPy's CSR for terms and categories."""
MISSING, RARE = "(missing)", "(rare)"


@dataclass(frozen=True)
class Rows:
    """What the parts read of n rows: the clean table and float32 text vectors (n, d)."""

    clean: pl.DataFrame
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return self.clean.height

    def take(self, index: NDArray[np.intp]) -> Rows:
        """The rows at these positions, in this order."""
        return Rows(self.clean[index], self.vectors[index])

    @property
    def texts(self) -> list[str]:
        """The joined text of each row, empty if there is none."""
        return self.clean["text"].to_list()

    @property
    def numbers(self) -> NDArray[np.float64]:
        """The number columns (n, k); what is missing or not finite is NaN."""
        names = self.columns(NUMBER)
        values = self.clean.select(pl.col(names).cast(pl.Float64)).to_numpy()
        return np.where(np.isfinite(values), values, np.nan).reshape(len(self), len(names))

    def columns(self, prefix: str) -> list[str]:
        """The names of the columns of one role."""
        return [name for name in self.clean.columns if name.startswith(prefix)]


class Part(ABC):
    """What every part can do; features are named without their block."""

    @abstractmethod
    def fit_transform(self, rows: Rows) -> Matrix:
        """Learn from these rows, whatever their labels, and give their features."""

    @abstractmethod
    def transform(self, rows: Rows) -> Matrix:
        """Features (rows, features) of any rows with the same columns."""

    @abstractmethod
    def get_feature_names_out(self) -> list[str]:
        """One name per feature; none if the rows had nothing for this part."""

    def fit(self, rows: Rows) -> Self:
        """Learn from these rows, whatever their labels."""
        self.fit_transform(rows)
        return self


class Vectors(Part):
    """The text vectors as they are."""

    def fit_transform(self, rows: Rows) -> Matrix:
        """Look whether there is any text."""
        self.width = rows.vectors.shape[1] if np.any(rows.vectors) else 0
        return self.transform(rows)

    def transform(self, rows: Rows) -> Matrix:
        """The vectors, float32 (n, d)."""
        return rows.vectors[:, : self.width].astype(np.float32, copy=False)

    def get_feature_names_out(self) -> list[str]:
        """The dimensions' numbers."""
        return [str(dimension) for dimension in range(self.width)]


@dataclass(frozen=True)
class _Scale:
    """The normal scores of one number column, as a curve through the values seen."""

    values: NDArray[np.float64]
    scores: NDArray[np.float64]
    median: float
    gaps: bool


class Numbers(Part):
    """Numbers as normal scores of their mid-ranks, so that no outlier and no unit matters.

    A missing number counts as the median, and a further feature says that it was missing.
    """

    def fit_transform(self, rows: Rows) -> Matrix:
        """Learn the order of each column's values."""
        self.names = [name.removeprefix(NUMBER) for name in rows.columns(NUMBER)]
        self.scales = [_scale(column) for column in rows.numbers.T]
        return self.transform(rows)

    def transform(self, rows: Rows) -> Matrix:
        """Scores, then 0 or 1 for missing, float32 (n, features)."""
        columns = list(zip(rows.numbers.T, self.scales, strict=True))
        scores = [_score(column, scale) for column, scale in columns]
        missing = [np.isnan(column) for column, scale in columns if scale.gaps]
        return _columns([*scores, *missing], len(rows)).astype(np.float32)

    def get_feature_names_out(self) -> list[str]:
        """The columns, then `<column> is missing` for those with gaps."""
        named = zip(self.names, self.scales, strict=True)
        return self.names + [f"{name} is missing" for name, scale in named if scale.gaps]


class Categories(Part):
    """One feature per frequent level of each category, and one for all the others.

    A level that was not seen counts as a rare one; null is a level of its own.
    """

    def __init__(self, settings: FuseSettings) -> None:
        self.settings = settings

    def fit_transform(self, rows: Rows) -> Matrix:
        """Choose the levels that are frequent enough."""
        least = max(2, min(self.settings.rare_level, len(rows) // 100))
        self.names = [name.removeprefix(CATEGORY) for name in rows.columns(CATEGORY)]
        self.levels = [
            _levels(rows.clean[CATEGORY + name], least, self.settings.max_levels)
            for name in self.names
        ]
        return self.transform(rows)

    def codes(self, rows: Rows) -> NDArray[np.int64]:
        """The position of each row's level (n, columns); the last position is `(rare)`."""
        coded = [
            rows.clean[CATEGORY + name]
            .fill_null(MISSING)
            .replace_strict(levels, range(len(levels)), default=len(levels), return_dtype=pl.Int64)
            .to_numpy()
            for name, levels in zip(self.names, self.levels, strict=True)
        ]
        return _columns(coded, len(rows)).astype(np.int64)

    def transform(self, rows: Rows) -> Matrix:
        """0 or 1 per level as CSR (n, levels)."""
        from scipy import sparse

        widths = [len(levels) + 1 for levels in self.levels]
        starts = np.cumsum([0, *widths])[:-1].astype(np.int64)
        columns = (self.codes(rows) + starts).ravel()
        pointers = np.arange(len(rows) + 1) * len(widths)
        ones = np.ones(len(columns), dtype=np.float32)
        return sparse.csr_matrix((ones, columns, pointers), shape=(len(rows), sum(widths)))

    def get_feature_names_out(self) -> list[str]:
        """`<column> = <level>`."""
        named = zip(self.names, self.levels, strict=True)
        return [f"{name} = {level}" for name, levels in named for level in [*levels, RARE]]


def _columns(columns: Sequence[NDArray[Any]], rows: int) -> NDArray[Any]:
    """Columns side by side (rows, columns), even if there are none of either."""
    return np.array(columns).reshape(len(columns), rows).T


def _scale(column: NDArray[np.float64]) -> _Scale:
    seen = column[~np.isnan(column)]
    gaps = len(seen) < len(column)
    if not len(seen):
        return _Scale(np.zeros(1), np.zeros(1), 0.0, gaps)
    from scipy.special import ndtri

    values, counts = np.unique(seen, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / len(seen)
    return _Scale(values, ndtri(ranks), float(np.median(seen)), gaps)


def _score(column: NDArray[np.float64], scale: _Scale) -> NDArray[np.float64]:
    filled = np.where(np.isnan(column), scale.median, column)
    return np.interp(filled, scale.values, scale.scores)


def _levels(column: pl.Series, least: int, most: int) -> list[str]:
    counts = column.fill_null(MISSING).value_counts(name="rows")
    frequent = counts.filter(pl.col("rows") >= least).sort(
        ["rows", column.name], descending=[True, False]
    )
    return sorted(frequent[column.name].head(most).to_list())
