"""Transformers: what turns rows into features, one for each kind of column, as in scikit-learn.

A transformer has `fit`, `transform`, `fit_transform` and `get_feature_names_out`. It reads `Rows`
and keeps only what it saw while it was fitted, so that it can be fitted inside a fold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
import polars as pl

from fusemine.tasks.table.roles import NUMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Target

BlockName: TypeAlias = Literal["text", "terms", "numbers", "categories", "dates", "levels", "rates"]
Matrix: TypeAlias = Any
"""A float32 matrix (rows, features): a NumPy array, or SciPy's CSR for terms and categories."""


@dataclass(frozen=True)
class Rows:
    """What the transformers read of n rows: the clean table and float32 text vectors (n, d)."""

    clean: pl.DataFrame
    vectors: NDArray[np.float32]
    timezone: str = "UTC"
    """The time zone of the hours, weekdays and months of events."""

    @classmethod
    def without_vectors(cls, clean: pl.DataFrame) -> Rows:
        """Rows for transformers that do not read text vectors."""
        return cls(clean, np.empty((clean.height, 0), np.float32))

    def __len__(self) -> int:
        return self.clean.height

    def take(self, index: NDArray[np.intp]) -> Rows:
        """The rows at these positions, in this order."""
        return Rows(self.clean[index], self.vectors[index], self.timezone)

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


class Transformer(ABC):
    """What every transformer can do; its features are named without their block."""

    @abstractmethod
    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:
        """Learn from these rows, and give their features (rows, features).

        Few transformers learn from the target; those have no features without one.
        """

    @abstractmethod
    def transform(self, rows: Rows) -> Matrix:
        """Features (rows, features) of any rows with the same columns."""

    @abstractmethod
    def get_feature_names_out(self) -> list[str]:
        """One name for each feature; none if the rows had nothing for this transformer."""

    def fit(self, rows: Rows, target: Target | None = None) -> Self:
        """Learn from these rows."""
        self.fit_transform(rows, target)
        return self


def as_columns(columns: Sequence[NDArray[Any]], rows: int) -> NDArray[Any]:
    """Columns (rows,) side by side (rows, columns), even if there are none of either.

    >>> as_columns([np.array([1, 2, 3]), np.array([4, 5, 6])], 3).tolist()
    [[1, 4], [2, 5], [3, 6]]
    >>> as_columns([], 3).shape
    (3, 0)
    """
    return np.array(columns).reshape(len(columns), rows).T
