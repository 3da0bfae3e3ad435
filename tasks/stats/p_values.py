"""p-values of scores, their combination, and which of many to flag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BODY = (0.3, 1 - 0.14**0.5, 0.8)
"""Quantiles that the tail is fitted to. Each step leaves the same share of the rows before it, and
above the last there is room for anomalies, which would otherwise shape their own tail."""
MARGIN = 0.15
"""Added to the tail's shape, which three quantiles estimate only roughly. With less, more of
heavy-tailed noise is flagged; with this much, few outliers near a light tail are."""
REFITS, FALSE_OUTLIERS = 2, 0.1
"""How often the tail is fitted again without its outliers, of which at most this share are expected
to be chance."""
MOST_OUTLIERS = 0.15
"""Where a larger share of the scores are outliers, they belong to the tail."""
HEAVIEST = 1.5
ENOUGH = 50
"""Scores that a tail is fitted to; with fewer, only the share of them that are as high counts."""
_LEAST = 1e-15
_DIGITS = 6


@storable
@dataclass(frozen=True)
class ParetoTail:
    """The share of the scores above each: a generalised Pareto tail from a score on.

    Attributes:
        low: The score that the tail is measured from.
        high: The tail holds above this score; infinite where the scores have no tail.
        unit: What a distance from `low` is multiplied with.
        shape: The tail's shape, above 0.
    """

    low: float
    high: float
    unit: float
    shape: float

    @classmethod
    def fit(cls, ordered: NDArray[np.float64]) -> ParetoTail:
        """The tail of scores (k,) in ascending order, by three quantiles (Pickands 1975)."""
        low, middle, high = np.quantile(ordered, BODY)
        if not low < middle < high:
            return cls(0.0, float("inf"), 0.0, 1.0)
        # Each quantile leaves the same share of the rows before it, so the ratio of the two gaps
        # between them gives the shape.
        step = np.log((1 - BODY[0]) / (1 - BODY[2]))
        shape = 2 * np.log((high - middle) / (middle - low)) / step + MARGIN
        # Never 0, where the formula has only a limit.
        shape = float(np.clip(shape, 1e-6, HEAVIEST))
        unit = np.expm1(shape * step) / (high - low)
        return cls(float(low), float(high), float(unit), shape)

    def above(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The tail's share above each score (n,), 1 up to `high`."""
        share = np.ones(len(scores))
        beyond = scores > self.high
        distances = scores[beyond] - self.low
        share[beyond] = (1 - BODY[0]) * (1 + self.unit * distances) ** (-1 / self.shape)
        return share


@storable
@dataclass(frozen=True)
class FittedTail:
    """p-values of scores: how probable scores as high are for rows like most of the known ones.

    A p-value is the share of the known scores that are as high, with the row itself counted among
    them (a conformal p-value). Beyond the 80 % quantile it is the tail's share where that is less:
    a generalised Pareto tail through three quantiles (Pickands 1975), never lighter than an
    exponential one.

    Attributes:
        ordered: (k,) the known scores, ascending.
        tail: Their tail, None where there are fewer than `ENOUGH`.
    """

    ordered: NDArray[np.float64]
    tail: ParetoTail | None

    @classmethod
    def fit(cls, scores: NDArray[np.float64]) -> FittedTail:
        """Fit to known scores (k,), none of them NaN.

        >>> tail = FittedTail.fit(np.arange(9.0))
        >>> tail.p_values(np.array([8.0, 20.0]), known=np.array([True, False])).round(3)
        array([0.111, 0.1  ])
        """
        kept = ordered = np.sort(scores)
        fitted = cls(ordered, None)
        known = np.ones(len(ordered), bool)
        # Anomalies would make the tail heavier, so it is fitted again without its outliers.
        for _ in range(1 + REFITS if len(ordered) >= ENOUGH else 0):
            fitted = cls(ordered, ParetoTail.fit(kept))
            outliers = benjamini_hochberg(fitted.p_values(ordered, known), FALSE_OUTLIERS)
            if not outliers.any() or outliers.mean() > MOST_OUTLIERS:
                break
            kept = ordered[~outliers]
        return fitted

    def p_values(
        self, scores: NDArray[np.float64], known: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Numbers above 0 and up to 1 for scores (n,), NaN for NaN.

        Args:
            scores: The scores.
            known: Which of them (n,) are among the known scores.
        """
        size, new = len(self.ordered), ~known
        as_high = size - np.searchsorted(self.ordered, scores, "left") + new
        share = np.where(np.isnan(scores), np.nan, as_high / np.maximum(size + new, 1))
        if self.tail is not None:
            share = np.minimum(share, self.tail.above(scores))
        return np.clip(share, _LEAST, 1)


def combine_p_values(p_values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One p-value of several for each row (n,), NaN where a row has none of them.

    Their harmonic mean (Wilson 2019) follows the smallest one, holds nearly as well for p-values
    that depend on each other, and works for rows that lack some.

    Args:
        p_values: (n,) p-values each, NaN for none.

    >>> combine_p_values([np.array([0.01, np.nan]), np.array([0.99, 0.5])])
    array([0.0198, 0.5   ])
    """
    stacked = np.stack(p_values)
    there = (~np.isnan(stacked)).sum(axis=0)
    inverse = np.nansum(1 / stacked, axis=0)
    mean = np.divide(there, inverse, out=np.full(len(inverse), np.nan), where=there > 0)
    return round_significant(mean)


def round_significant(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (n,) to six significant digits: in further ones the order of additions shows."""
    size = np.floor(np.log10(np.maximum(np.abs(values), 1e-300)))
    scale = 10.0 ** (_DIGITS - 1 - size)
    return np.where(values == 0, 0.0, np.round(values * scale) / scale)


def benjamini_hochberg(p_values: NDArray[np.float64], rate: float) -> NDArray[np.bool_]:
    """The p-values to reject (n,), so that a share `rate` of them are expected to be chance.

    Benjamini and Hochberg (1995); a NaN is never rejected.

    >>> benjamini_hochberg(np.array([0.001, 0.8, 0.02]), 0.1)
    array([ True, False,  True])
    """
    ordered = np.sort(p_values[~np.isnan(p_values)])
    passing = np.flatnonzero(ordered <= rate * np.arange(1, len(ordered) + 1) / len(ordered))
    if not len(passing):
        return np.zeros(len(p_values), bool)
    return np.asarray(np.nan_to_num(p_values, nan=2.0) <= ordered[passing[-1]])
