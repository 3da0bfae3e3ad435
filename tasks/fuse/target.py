"""What a supervised part or learner is told of the rows: their classes, or their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True)
class Target:
    """The label of n rows.

    Args:
        values: Class of each row, int64 (n,) from 0 to `classes` - 1; or float64 numbers (n,).
        classes: How many classes there are, seen in these rows or not; 0 for numbers.
    """

    values: NDArray[Any]
    classes: int

    def __len__(self) -> int:
        return len(self.values)

    @property
    def outputs(self) -> int:
        """Columns of a prediction: a probability per class, or one number."""
        return self.classes or 1

    @property
    def is_number(self) -> bool:
        """Whether numbers are learnt (regression) and not classes."""
        return self.classes == 0

    def take(self, index: NDArray[Any]) -> Target:
        """The label of the rows at these positions, or under this mask."""
        return Target(self.values[index], self.classes)

    def columns(self) -> Floats:
        """What a perfect prediction is, float64 (n, outputs): 0 or 1 per class, or the numbers."""
        if self.is_number:
            return self.values.astype(np.float64).reshape(-1, 1)
        return np.asarray(np.eye(self.classes)[self.values])

    def prior(self) -> Floats:
        """What is foretold of a row of which nothing is known (outputs,): shares, or the mean."""
        if len(self):
            return np.asarray(self.columns().mean(axis=0))
        return np.full(self.outputs, 1 / self.classes if self.classes else 0.0)
