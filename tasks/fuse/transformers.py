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
    """What the parts read of n rows: the clean table and float32 text vectors (n, d)."""

    clean: pl.DataFrame
    vectors: NDArray[np.float32]
    timezone: str = "UTC"
    """The zone whose clocks and calendar tell the hour and the day of an event."""

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


class Part(ABC):
    """What every part can do; features are named without their block."""

    @abstractmethod
    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:
        """Learn from these rows, and give their features.

        Only a part that says so learns from the target; without one it learns nothing.
        """

    @abstractmethod
    def transform(self, rows: Rows) -> Matrix:
        """Features (rows, features) of any rows with the same columns."""

    @abstractmethod
    def get_feature_names_out(self) -> list[str]:
        """One name per feature; none if the rows had nothing for this part."""

    def fit(self, rows: Rows, target: Target | None = None) -> Self:
        """Learn from these rows."""
        self.fit_transform(rows, target)
        return self


def as_columns(columns: Sequence[NDArray[Any]], rows: int) -> NDArray[Any]:
    """Columns side by side (rows, columns), even if there are none of either."""
    return np.array(columns).reshape(len(columns), rows).T
