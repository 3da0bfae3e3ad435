"""What a supervised part or learner is told of the rows: their classes, or their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fusemine.tasks.core.pack.trusted import storable

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


@storable
@dataclass(frozen=True)
class Unit:
    """Mean and standard deviation of numbers, so that learners see numbers of order 1.

    Regularisation and tolerances would otherwise depend on the unit of the label.
    """

    mean: float = 0.0
    deviation: float = 1.0

    def scaled(self, target: Target) -> Target:
        """The numbers in standard deviations from the mean; classes as they are."""
        if not target.is_number:
            return target
        return Target((target.values - self.mean) / self.deviation, 0)

    def back(self, foretold: Floats) -> Floats:
        """Predictions in the label's own unit."""
        if self == Unit():
            return foretold
        return np.asarray(foretold * self.deviation + self.mean)


def unit_of(target: Target) -> Unit:
    """The unit of these numbers; of classes and of a single number nothing is changed."""
    if not target.is_number or not len(target):
        return Unit()
    largest = float(np.abs(target.values).max())
    if not largest:
        return Unit()
    # In parts of the largest one, so that no square is beyond what can be told.
    parts = target.values / largest
    deviation = float(parts.std()) * largest
    mean = float(parts.mean()) * largest
    return Unit(mean, deviation if deviation > 0 else 1.0)
