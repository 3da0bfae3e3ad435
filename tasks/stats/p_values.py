"""How rarely chance gives a score as high, and what to flag of many such p-values."""

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
HEAVIER = 0.15
"""What is added to the tail's shape, as three quantiles tell it only roughly. With less, more of
heavy-tailed chance is flagged; with this much, little of what lies near a light tail."""
ROUNDS, STRANGERS = 2, 0.1
"""How often the tail is fitted anew without what stands out of it, in which at most this share are
expected to be chance."""
MOST_STRANGERS = 0.15
"""Where more of the scores than this stand out, they are the tail and not out of it."""
HEAVIEST = 1.5
ENOUGH = 50
"""Scores that a tail is fitted to; with fewer, the share of them that are as high is all."""
_LEAST = 1e-15
_DIGITS = 6


@storable
@dataclass(frozen=True)
class Pareto:
    """The share of the scores above each: a generalised Pareto tail from a score on.

    Attributes:
        low: The score that the tail is measured from.
        high: Up to this score nothing is said of the share; infinite where the tail has no shape.
        unit: What a distance from `low` is multiplied with.
        shape: The tail's shape, above 0.
    """

    low: float
    high: float
    unit: float
    shape: float

    @classmethod
    def of(cls, ordered: NDArray[np.float64]) -> Pareto:
        """The tail of scores in ascending order."""
        low, middle, high = np.quantile(ordered, BODY)
        if not low < middle < high:
            return cls(0.0, float("inf"), 0.0, 1.0)
        step = np.log((1 - BODY[0]) / (1 - BODY[2]))
        shape = 2 * np.log((high - middle) / (middle - low)) / step + HEAVIER
        # Never 0, of which the formula has only a limit.
        shape = float(np.clip(shape, 1e-6, HEAVIEST))
        unit = np.expm1(shape * step) / (high - low)
        return cls(float(low), float(high), float(unit), shape)

    def above(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The tail's share above each score, 1 up to `high`."""
        found = np.ones(len(scores))
        beyond = scores > self.high
        further = scores[beyond] - self.low
        found[beyond] = (1 - BODY[0]) * (1 + self.unit * further) ** (-1 / self.shape)
        return found


@storable
@dataclass(frozen=True)
class FittedTail:
    """How probable scores as high are, were their rows like most of the known ones.

    It is the share of the known rows that are as high, a known row itself among them and a new
    one counted to them (a conformal p-value), or what the tail gives beyond the 80 % quantile
    where that is less: a generalised Pareto tail through three quantiles (Pickands 1975), never
    lighter than an exponential one.

    Attributes:
        ordered: (k,) the known scores, ascending.
        tail: The tail's share, None where there are fewer than `ENOUGH`.
    """

    ordered: NDArray[np.float64]
    tail: Pareto | None

    @classmethod
    def of(cls, scores: NDArray[np.float64]) -> FittedTail:
        """Fit to known scores (k,), none of them NaN."""
        kept = ordered = np.sort(scores)
        found = cls(ordered, None)
        for _ in range(1 + ROUNDS if len(ordered) >= ENOUGH else 0):
            found = cls(ordered, Pareto.of(kept))
            strange = rejected(found.p_values(ordered, np.ones(len(ordered), bool)), STRANGERS)
            if not strange.any() or strange.mean() > MOST_STRANGERS:
                break
            kept = ordered[~strange]
        return found

    def p_values(
        self, scores: NDArray[np.float64], known: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Numbers above 0 and up to 1 for scores (n,), NaN for NaN.

        Args:
            scores: The scores.
            known: Which of them (n,) are among those seen.
        """
        found = self._counted(scores, ~known)
        if self.tail is not None:
            found = np.minimum(found, self.tail.above(scores))
        return np.clip(found, _LEAST, 1)

    def _counted(self, scores: NDArray[np.float64], new: NDArray[np.bool_]) -> NDArray[np.float64]:
        size = len(self.ordered)
        as_high = size - np.searchsorted(self.ordered, scores, "left") + new
        return np.where(np.isnan(scores), np.nan, as_high / np.maximum(size + new, 1))


def joined(tails: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One p-value of several, NaN where a row has none of them.

    Their harmonic mean (Wilson 2019) follows the most unusual one, holds nearly as well for
    p-values that depend on each other, and suffers rows that lack some.

    Args:
        tails: (n,) p-values each, NaN for none.
    """
    stacked = np.stack(tails)
    there = (~np.isnan(stacked)).sum(axis=0)
    inverse = np.nansum(1 / stacked, axis=0)
    mean = np.divide(there, inverse, out=np.full(len(inverse), np.nan), where=there > 0)
    return significant(mean)


def significant(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values without the digits in which equal ones differ by the order of additions."""
    size = np.floor(np.log10(np.maximum(np.abs(values), 1e-300)))
    scale = 10.0 ** (_DIGITS - 1 - size)
    return np.where(values == 0, 0.0, np.round(values * scale) / scale)


def rejected(tails: NDArray[np.float64], rate: float) -> NDArray[np.bool_]:
    """The p-values that stand out, so that `rate` of them are expected to be chance.

    Benjamini and Hochberg (1995); a NaN never stands out.
    """
    there = np.flatnonzero(~np.isnan(tails))
    ordered = np.sort(tails[there])
    passing = np.flatnonzero(ordered <= rate * np.arange(1, len(ordered) + 1) / len(ordered))
    if not len(passing):
        return np.zeros(len(tails), bool)
    return np.asarray(np.nan_to_num(tails, nan=2.0) <= ordered[passing[-1]])
