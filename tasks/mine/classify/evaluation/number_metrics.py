"""How good predicted numbers are, with paired bootstrap intervals.

The results have the shape of those of `class_metrics`, whose functions summarise and compare them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.classify.evaluation.class_metrics import bootstrap_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats

METRICS = ("rmse", "mae", "r2", "spearman")
EFFORT = 2
"""A row takes about as long as one of two classes."""


def measure_numbers(
    truth: Floats,
    variants: dict[str, Floats],
    resamples: int,
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> dict[str, dict[str, Floats]]:
    """Every metric of every variant's predictions.

    Root mean squared error and mean absolute error are in the label's unit. R² is against the
    mean of these rows. Spearman's rank correlation gives equal numbers their mean rank.

    Args:
        truth: The true numbers (n,).
        variants: Predictions by variant, (n,) or (n, 1).
        resamples: How often the rows are resampled; a large table gets fewer.
        seed: Where the random numbers start.
        groups: The group of each row (n,), where rows are drawn by whole groups.

    Returns:
        variant → metric → values (1 + resamples,): first of the rows themselves, then of each
        resample; NaN where it is not defined, as where all numbers are the same.
    """
    flat = {name: predicted.reshape(len(truth)) for name, predicted in variants.items()}
    found: dict[str, list[Floats]] = {name: [] for name in variants}
    true_order = _Order.of(truth)
    orders = {name: _Order.of(predicted) for name, predicted in flat.items()}
    for weights in bootstrap_weights(len(truth), resamples, seed, EFFORT, groups):
        # The ranks of the truth are the same for all variants.
        true_ranks = true_order.ranks(weights)
        for name, predicted in flat.items():
            correlation = _correlation(true_ranks, orders[name].ranks(weights), weights)
            found[name].append(np.vstack([_errors(truth, predicted, weights), correlation]))
    return {
        name: dict(zip(METRICS, np.concatenate(parts, axis=1), strict=True))
        for name, parts in found.items()
    }


@dataclass(frozen=True)
class _Order:
    """The order of n numbers, from which the ranks of any draw of them follow."""

    order: NDArray[np.intp]
    ends: NDArray[np.intp]
    """The last place in `order` of each run of equal numbers."""
    run: NDArray[np.intp]
    """The run that each number is in (n,)."""

    @classmethod
    def of(cls, numbers: Floats) -> _Order:
        """The order of some numbers."""
        # The order is computed once; each draw only changes how often a number counts.
        _, run, counts = np.unique(numbers, return_inverse=True, return_counts=True)
        return cls(np.argsort(numbers, kind="stable"), np.cumsum(counts) - 1, run)

    def ranks(self, weights: Floats) -> Floats:
        """Mean rank of each number within each draw, less the mean of all ranks (draws, n)."""
        # Equal numbers share the mean of the ranks from below their run to its end.
        above = np.cumsum(weights[:, self.order], axis=1)[:, self.ends]
        below = np.concatenate([np.zeros((len(weights), 1)), above[:, :-1]], axis=1)
        return np.asarray(((below + above - above[:, -1:]) / 2)[:, self.run])


def _correlation(first: Floats, second: Floats, weights: Floats) -> Floats:
    """Correlation (draws,) of centred numbers (draws, n)."""
    drawn = weights * first
    covariance = np.einsum("dn,dn->d", drawn, second)
    second_variance = np.einsum("dn,dn,dn->d", weights, second, second)
    variances = np.einsum("dn,dn->d", drawn, first) * second_variance
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(variances > 0, covariance / np.sqrt(variances), np.nan))


def _errors(truth: Floats, predicted: Floats, weights: Floats) -> Floats:
    """RMSE, MAE and R² (3, draws)."""
    rows = len(truth)
    errors, centred = predicted - truth, truth - truth.mean()
    # One product gives the weighted means of all four columns for every draw.
    kept = np.stack([np.square(errors), np.abs(errors), np.square(centred), centred])
    squared, absolute, around, shift = kept @ weights.T / rows
    variance = around - np.square(shift)
    # A draw of one number alone has a variance of nothing but rounding.
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = np.where(variance > 1e-12 * around, 1 - squared / variance, np.nan)
    return np.stack([np.sqrt(squared), absolute, explained])
