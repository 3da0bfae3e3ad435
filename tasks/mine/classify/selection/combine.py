"""Making one prediction of several models' predictions.

What combines is fitted on out-of-fold predictions. Those of the training rows are combined out of
fold as well: a fold by what was fitted on the other folds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.training_set import estimated
from fusemine.tasks.mine.classify.selection.calibrate import Calibrator, fit_calibrator
from fusemine.tasks.stats.fixed_batches import batch_size, computed
from fusemine.tasks.stats.target import Unit, unit_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.learners.training_set import Floats
    from fusemine.tasks.stats.target import Target

TINY = 1e-6
ROUNDS = 25
"""Models that a mixture is made of, each counted as often as it was chosen."""


class Combiner(Protocol):
    """Fitted on out-of-fold predictions of some models."""

    def apply(self, found: Sequence[Floats], /) -> Floats:
        """One prediction (n, outputs) of the models' predictions, each (n, outputs)."""

    def shares(self) -> list[float]:
        """How much each model counts; they sum to 1."""


FitCombiner: TypeAlias = Callable[["Sequence[Floats]", "Target"], Combiner]


@storable
@dataclass(frozen=True)
class Mean:
    """The weighted mean."""

    weights: tuple[float, ...]

    def apply(self, found: Sequence[Floats]) -> Floats:
        """The mean (n, outputs)."""
        weighted = [weight * one for weight, one in zip(self.weights, found, strict=True)]
        return np.asarray(_sum(weighted) / np.sum(self.weights))

    def shares(self) -> list[float]:
        """The weights."""
        return [weight / sum(self.weights) for weight in self.weights]


@storable
@dataclass(frozen=True)
class CalibratedMean:
    """The mean of calibrated probabilities."""

    calibrators: tuple[Calibrator, ...]

    def apply(self, found: Sequence[Floats]) -> Floats:
        """The mean (n, outputs)."""
        pairs = zip(self.calibrators, found, strict=True)
        return _sum([calibrator.apply(one) for calibrator, one in pairs]) / len(found)

    def shares(self) -> list[float]:
        """The same for each."""
        return [1 / len(self.calibrators)] * len(self.calibrators)


@storable
@dataclass(frozen=True)
class Meta:
    """A linear model of the models' log-odds, or of their numbers."""

    estimator: Any
    outputs: int
    unit: Unit

    def apply(self, found: Sequence[Floats]) -> Floats:
        """What the linear model foretells (n, outputs)."""
        features = _features(found, self.outputs, self.unit)
        return self.unit.back(computed(self._estimated, features, self._batch))

    @cached_property
    def _batch(self) -> int:
        widths = {"": self.estimator.n_features_in_}
        return batch_size(lambda batch: self._estimated(batch[""]), widths, np.float64)

    def _estimated(self, features: Floats) -> Floats:
        return estimated(self.estimator, features, self.outputs)

    def shares(self) -> list[float]:
        """Each model's part of the absolute coefficients."""
        strength = np.abs(np.atleast_2d(self.estimator.coef_)).sum(axis=0)
        each = strength.reshape(-1, _width(self.outputs)).sum(axis=1)
        return [float(value) for value in each / max(each.sum(), TINY)]


def fit_mean(found: Sequence[Floats], _: Target) -> Combiner:
    """The plain mean."""
    return Mean((1.0,) * len(found))


def fit_late(found: Sequence[Floats], target: Target) -> Combiner:
    """The mean after each model was calibrated by Platt's sigmoid; of numbers the plain mean."""
    if target.is_number:
        return fit_mean(found, target)
    return CalibratedMean(tuple(fit_calibrator(one, target, "platt") for one in found))


def fit_stacked(found: Sequence[Floats], target: Target) -> Combiner:
    """Logistic or ridge regression on what the models foretell (Wolpert 1992)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    unit = unit_of(target)
    estimator = Ridge(1e-3) if target.is_number else LogisticRegression(C=1.0, max_iter=200)
    with warnings.catch_warnings():
        # Where classes can be parted perfectly the optimum is far off, and near enough is good.
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(_features(found, target.outputs, unit), unit.scaled(target).values)
    return Meta(estimator, target.outputs, unit)


def fit_mixture(found: Sequence[Floats], target: Target) -> Combiner:
    """The models chosen one after the other, each so that the mean gets better.

    Ensemble selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004).
    """
    counts = np.zeros(len(found))
    best, total = np.inf, np.zeros_like(found[0])
    kept = counts
    for size in range(1, ROUNDS + 1):
        losses = [loss((total + one) / size, target) for one in found]
        chosen = int(np.argmin(losses))
        counts = counts + (np.arange(len(found)) == chosen)
        total = total + found[chosen]
        if losses[chosen] < best * (1 - 1e-9):
            best, kept = losses[chosen], counts
    return Mean(tuple(float(count) for count in kept / kept.sum()))


def loss(foretold: Floats, target: Target) -> float:
    """Log loss of probabilities, or the root mean squared error of numbers; lower is better."""
    if target.is_number:
        return float(np.sqrt(np.mean(np.square(foretold[:, 0] - target.values))))
    sure = foretold[np.arange(len(target)), target.values]
    return float(-np.log(np.clip(sure, TINY, 1)).mean())


def combined_out_of_fold(
    fit: FitCombiner, found: Sequence[Floats], target: Target, fold: NDArray[np.int64]
) -> Floats:
    """The combined predictions (n, outputs), each fold by what the other folds taught.

    Args:
        fit: Fits the combiner.
        found: Out-of-fold predictions of each model (n, outputs).
        target: The label of the n rows.
        fold: Fold of each row (n,).
    """
    result = np.zeros_like(found[0])
    for part in np.unique(fold):
        held, learnt = fold == part, fold != part
        known = target.take(learnt)
        if len(np.unique(known.values)) < 2:
            result[held] = np.mean([one[held] for one in found], axis=0)
        else:
            combiner = fit([one[learnt] for one in found], known)
            result[held] = combiner.apply([one[held] for one in found])
    return result


def _sum(found: Sequence[Floats]) -> Floats:
    """The sum, in this order; NumPy's own order is another one for a single row."""
    return reduce(np.add, found)


def _width(outputs: int) -> int:
    """Columns that a model's prediction gives: of two classes one says it all."""
    return 1 if outputs <= 2 else outputs


def _features(found: Sequence[Floats], outputs: int, unit: Unit) -> Floats:
    if outputs == 1:
        return (np.hstack(found) - unit.mean) / unit.deviation
    clipped = [np.clip(one[:, -_width(outputs) :], TINY, 1 - TINY) for one in found]
    if outputs == 2:
        return np.hstack([np.log(one / (1 - one)) for one in clipped])
    return np.hstack([np.log(one) for one in clipped])
