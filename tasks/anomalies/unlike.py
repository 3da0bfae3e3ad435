"""How far rows are from what is usual, and how to fuse two such rankings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TEXT_SHRINKAGE, TABLE_SHRINKAGE = 0.1, 0.6
"""How far a covariance is drawn to a sphere. A rare category has hardly any variance of its
own, so that with little shrinkage a table's rare categories outshout its numbers."""
NAMED = 3
"""Features that are named of a row."""
_BLOCK = 8_192
_DIGITS = 6
_ALIKE = 1e-9


@dataclass(frozen=True)
class Shape:
    """The centre (d,) and the inverse covariance (d, d) of a cloud of rows, float64."""

    centre: NDArray[np.float64]
    precision: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[np.float32], shrinkage: float) -> Shape | None:
        """The shape of (n, d) rows, or None where no two of them differ.

        The covariance is (1 - s) S + s tr(S) / d I, which can be inverted even where columns
        are constant or there are fewer rows than columns (Ledoit and Wolf 2004, with s given).
        """
        if not rows.size:
            return None
        with one_thread():
            centre = rows.mean(axis=0, dtype=np.float64)
            spread = np.zeros((rows.shape[1], rows.shape[1]))
            for start in range(0, len(rows), _BLOCK):
                gaps = rows[start : start + _BLOCK] - centre
                spread += gaps.T @ gaps
            spread /= len(rows)
            mean = np.trace(spread) / len(spread)
            if mean <= _ALIKE:
                return None
            shrunk = (1 - shrinkage) * spread + shrinkage * mean * np.eye(len(spread))
            return cls(centre, np.linalg.inv(shrunk))

    def distances(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """The squared Mahalanobis distances of (n, d) rows, (n,), to 6 significant digits."""
        found = np.empty(len(rows))
        with one_thread():
            for start in range(0, len(rows), _BLOCK):
                gaps = rows[start : start + _BLOCK] - self.centre
                found[start : start + _BLOCK] = ((gaps @ self.precision) * gaps).sum(axis=1)
        return significant(np.maximum(found, 0))

    def features(self, row: NDArray[np.float32], names: Sequence[str]) -> list[str]:
        """The names of the features that a row's distance comes from most, at most `NAMED`."""
        gaps = row - self.centre
        parts = significant(gaps * (self.precision @ gaps))
        order = np.argsort(-parts, kind="stable")[:NAMED]
        return [names[i] for i in order.tolist() if parts[i] > 0]


def significant(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values without the digits in which equal ones differ by the order of additions."""
    size = np.floor(np.log10(np.maximum(np.abs(values), 1e-300)))
    scale = 10.0 ** (_DIGITS - 1 - size)
    return np.where(values == 0, 0.0, np.round(values * scale) / scale)


def rank_shares(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each distance the share of all that are smaller, from 0 up to below 1; NaN stays."""
    known = ~np.isnan(distances)
    ordered = np.sort(distances[known])
    shares = np.full(len(distances), np.nan)
    shares[known] = np.searchsorted(ordered, distances[known], "left") / max(len(ordered), 1)
    return shares


def fuse_ranks(views: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Join the shares of several views, NaN where a row is not in one, into scores from 0 to 1.

    Fisher's method (1925): were the views independent, a score of 0.999 would come up by
    chance in one row of a thousand, whether the row is in one view or in two.
    """
    from scipy.stats import chi2

    tails = [np.where(np.isnan(view), 1.0, 1 - view) for view in views]
    known = np.sum([~np.isnan(view) for view in views], axis=0)
    joint = -2 * np.sum(np.log(tails), axis=0)
    return significant(chi2.cdf(joint, np.maximum(2 * known, 1)))
