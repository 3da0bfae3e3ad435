"""Combining the predictions of several models into one.

What combines is fitted on out-of-fold predictions. Those of the training rows are combined out of
fold as well: a fold by what was fitted on the other folds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.training_set import FittedEstimator
from fusemine.tasks.mine.classify.selection.calibrate import Calibrator, fit_calibrator
from fusemine.tasks.stats.target import TargetScaler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats, Target

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
    """The weighted mean, where there are calibrators of calibrated probabilities."""

    weights: tuple[float, ...]
    calibrators: tuple[Calibrator, ...] = ()

    def apply(self, found: Sequence[Floats]) -> Floats:
        """The mean (n, outputs)."""
        if self.calibrators:
            pairs = zip(self.calibrators, found, strict=True)
            found = [calibrator.apply(one) for calibrator, one in pairs]
        weighted = [weight * one for weight, one in zip(self.weights, found, strict=True)]
        # Added in this order, because NumPy's own order is another one for a single row.
        return np.asarray(reduce(np.add, weighted) / np.sum(self.weights))

    def shares(self) -> list[float]:
        """The weights, of sum 1."""
        return [weight / sum(self.weights) for weight in self.weights]


@storable
@dataclass(frozen=True)
class MetaModel:
    """A linear model of the models' log-odds, or of their numbers."""

    fitted: FittedEstimator
    scaler: TargetScaler

    def apply(self, found: Sequence[Floats]) -> Floats:
        """The linear model's predictions (n, outputs)."""
        features = _features(found, self.fitted.outputs, self.scaler)
        return self.scaler.inverse_transform(self.fitted.predict(features))

    def shares(self) -> list[float]:
        """Each model's part of the absolute coefficients."""
        strength = np.abs(np.atleast_2d(self.fitted.estimator.coef_)).sum(axis=0)
        each = strength.reshape(-1, _width(self.fitted.outputs)).sum(axis=1)
        return [float(value) for value in each / max(each.sum(), TINY)]


def fit_mean(found: Sequence[Floats], _: Target) -> Combiner:
    """The plain mean."""
    return Mean((1.0,) * len(found))


def fit_late(found: Sequence[Floats], target: Target) -> Combiner:
    """The mean after each model was calibrated by Platt's sigmoid; of numbers the plain mean."""
    if target.is_number:
        return fit_mean(found, target)
    calibrators = tuple(fit_calibrator(one, target, "platt") for one in found)
    return Mean((1.0,) * len(found), calibrators)


def fit_stacked(found: Sequence[Floats], target: Target) -> Combiner:
    """Logistic or ridge regression on the models' predictions (Wolpert 1992)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    scaler = TargetScaler.fit(target)
    estimator = Ridge(1e-3) if target.is_number else LogisticRegression(C=1.0, max_iter=200)
    with warnings.catch_warnings():
        # Where classes separate perfectly the optimum is far off, and near enough is good.
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(_features(found, target.outputs, scaler), scaler.transform(target).values)
    return MetaModel(FittedEstimator(estimator, target.outputs, "float64"), scaler)


def fit_mixture(found: Sequence[Floats], target: Target) -> Combiner:
    """The models chosen one after the other, each so that the mean gets better.

    Ensemble selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004).
    """
    counts = np.zeros(len(found))
    best, total = np.inf, np.zeros_like(found[0])
    kept = counts
    for size in range(1, ROUNDS + 1):
        # With replacement: a model may be chosen again, which gives it more weight.
        losses = [loss((total + one) / size, target) for one in found]
        chosen = int(np.argmin(losses))
        counts = counts + (np.arange(len(found)) == chosen)
        total = total + found[chosen]
        # Gains of rounding alone do not count, so that the result is the same everywhere.
        if losses[chosen] < best * (1 - 1e-9):
            best, kept = losses[chosen], counts
    return Mean(tuple(float(count) for count in kept / kept.sum()))


def loss(predicted: Floats, target: Target) -> float:
    """Log loss of probabilities, or the root mean squared error of numbers; lower is better.

    Args:
        predicted: Predictions (n, outputs).
        target: The label of the n rows.

    >>> from fusemine.tasks.stats.target import Target
    >>> half = np.full((2, 2), 0.5)
    >>> round(loss(half, Target(np.array([0, 1]), classes=2)), 4)
    0.6931
    """
    if target.is_number:
        return float(np.sqrt(np.mean(np.square(predicted[:, 0] - target.values))))
    own = predicted[np.arange(len(target)), target.values]
    return float(-np.log(np.clip(own, TINY, 1)).mean())


def combine_out_of_fold(
    fit: FitCombiner, found: Sequence[Floats], target: Target, fold: NDArray[np.int64]
) -> Floats:
    """The combined predictions (n, outputs), each fold's by a combiner of the other folds.

    Args:
        fit: Fits the combiner.
        found: Out-of-fold predictions of each model (n, outputs).
        target: The label of the n rows.
        fold: Fold of each row (n,).
    """
    result = np.zeros_like(found[0])
    for part in np.unique(fold):
        held, fitted = fold == part, fold != part
        known = target.take(fitted)
        # Of a single class there is nothing to fit.
        if len(np.unique(known.values)) < 2:
            result[held] = np.mean([one[held] for one in found], axis=0)
        else:
            combiner = fit([one[fitted] for one in found], known)
            result[held] = combiner.apply([one[held] for one in found])
    return result


def _width(outputs: int) -> int:
    """Columns that a model's prediction gives: of two classes one is enough."""
    return 1 if outputs <= 2 else outputs


def _features(found: Sequence[Floats], outputs: int, scaler: TargetScaler) -> Floats:
    if outputs == 1:
        return (np.hstack(found) - scaler.mean) / scaler.deviation
    # Log-odds are linear in the evidence, and clipping keeps them finite.
    clipped = [np.clip(one[:, -_width(outputs) :], TINY, 1 - TINY) for one in found]
    if outputs == 2:
        return np.hstack([np.log(one / (1 - one)) for one in clipped])
    return np.hstack([np.log(one) for one in clipped])
