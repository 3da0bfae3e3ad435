"""The label of rows for what learns from it: their classes, or their numbers."""

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
        """Whether the label is a number (regression) and no class."""
        return self.classes == 0

    def take(self, index: NDArray[Any]) -> Target:
        """The label of the rows at these positions, or under this mask."""
        return Target(self.values[index], self.classes)

    def columns(self) -> Floats:
        """A perfect prediction, float64 (n, outputs): 0 or 1 per class, or the numbers.

        >>> Target(np.array([1, 0]), classes=2).columns().tolist()
        [[0.0, 1.0], [1.0, 0.0]]
        """
        if self.is_number:
            return self.values.astype(np.float64).reshape(-1, 1)
        return np.asarray(np.eye(self.classes)[self.values])

    def prior(self) -> Floats:
        """The prediction for a row of which nothing is known (outputs,): shares, or the mean."""
        if len(self):
            return np.asarray(self.columns().mean(axis=0))
        return np.full(self.outputs, 1 / self.classes if self.classes else 0.0)


def target_matrix(target: Target) -> Floats:
    """The label as columns of order 1, float64 (n, columns), for what learns from numbers only.

    Of two classes the second one, 0 or 1; otherwise 0 or 1 for every class; or the numbers in
    standard deviations from their mean.
    """
    columns = target.columns()
    if not target.is_number:
        return columns[:, 1:] if target.classes == 2 else columns
    centred: Floats = columns - columns.mean()
    deviation = float(centred.std())
    return centred / deviation if deviation > 0 else centred


@storable
@dataclass(frozen=True)
class TargetScaler:
    """Mean and standard deviation of numbers, so that learners see numbers of order 1.

    Regularisation and tolerances would otherwise depend on the unit of the label.
    """

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def fit(cls, target: Target) -> TargetScaler:
        """The scaler of these numbers; of classes and of a single number nothing is changed."""
        if not target.is_number or not len(target):
            return cls()
        largest = float(np.abs(target.values).max())
        if not largest:
            return cls()
        # In fractions of the largest one, so that no square overflows.
        fractions = target.values / largest
        deviation = float(fractions.std()) * largest
        mean = float(fractions.mean()) * largest
        return cls(mean, deviation if deviation > 0 else 1.0)

    def transform(self, target: Target) -> Target:
        """The numbers in standard deviations from the mean; classes as they are."""
        if not target.is_number:
            return target
        return Target((target.values - self.mean) / self.deviation, 0)

    def inverse_transform(self, predictions: Floats) -> Floats:
        """Predictions (n, outputs) in the label's own unit."""
        if self == TargetScaler():
            return predictions
        return np.asarray(predictions * self.deviation + self.mean)
