"""Mahalanobis distances of rows from the centre of all, or of their core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.stats.p_values import round_significant
from fusemine.tasks.stats.sampling import evenly_spaced
from fusemine.tasks.stats.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TEXT_SHRINKAGE, TABLE_SHRINKAGE = 0.1, 0.6
"""How far a covariance is drawn to a sphere. A rare category has hardly any variance of its
own, so that with little shrinkage a table's rare categories drown out its numbers."""
TRIMMED, ROUNDS = 0.4, 3
"""The share of the rows that is left out as far away, and how often it is chosen again."""
MAX_ROWS = 10_000
"""The core is fitted to at most this many rows, evenly spread."""
NAMED = 3
"""At most this many features are named of a row."""
_BLOCK = 8_192
_NO_VARIANCE = 1e-9


@storable
@dataclass(frozen=True)
class Covariance:
    """The centre (d,) and the inverse covariance (d, d) of a cloud of rows, float64."""

    centre: NDArray[np.float64]
    precision: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[np.float32], shrinkage: float) -> Covariance | None:
        """Fit to rows (n, d); None where no two of them differ.

        The covariance is (1 - s) S + s tr(S) / d I, which can be inverted even where columns
        are constant or there are fewer rows than columns (Ledoit and Wolf 2004, with s given).

        Args:
            rows: The rows.
            shrinkage: s, from 0 to 1.
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
            if mean <= _NO_VARIANCE:
                return None
            shrunk = (1 - shrinkage) * spread + shrinkage * mean * np.eye(len(spread))
            return cls(centre, np.linalg.inv(shrunk))

    @classmethod
    def of_core(cls, rows: NDArray[np.float32], shrinkage: float) -> Covariance | None:
        """Fit to most of the rows (n, d), so that a group of outliers cannot attract the centre.

        Time and again the `TRIMMED` share of the rows that is farthest away is left out, as the
        minimum covariance determinant does (Rousseeuw and Van Driessen 1999); at first by the
        distance from the median of each column, as the covariance of all rows would hide a tight
        group of outliers behind the direction that it makes itself (Olive 2004).
        """
        rows = rows[evenly_spaced(len(rows), MAX_ROWS)]
        if not rows.size:
            return None
        gaps = (rows - np.median(rows, axis=0)).astype(np.float64)
        # Where most rows are the same, the core has no covariance of its own.
        found = cls.of(_nearest(rows, (gaps**2).sum(axis=1)), shrinkage) or cls.of(rows, shrinkage)
        for _ in range(ROUNDS):
            if found is None:
                return None
            found = cls.of(_nearest(rows, found.distances(rows)), shrinkage) or found
        return found

    def distances(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """The squared Mahalanobis distances of (n, d) rows, (n,), to 6 significant digits.

        >>> unit = Covariance(np.zeros(2), np.eye(2))
        >>> unit.distances(np.array([[3, 4], [0, 1]], np.float32)).tolist()
        [25.0, 1.0]
        """
        found = np.empty(len(rows))
        with one_thread():
            for start in range(0, len(rows), _BLOCK):
                gaps = rows[start : start + _BLOCK] - self.centre
                found[start : start + _BLOCK] = ((gaps @ self.precision) * gaps).sum(axis=1)
        return round_significant(np.maximum(found, 0))

    def top_features(self, row: NDArray[np.float32], names: Sequence[str]) -> list[str]:
        """The names of the features that a row's distance comes from most, at most `NAMED`."""
        gaps = row - self.centre
        parts = round_significant(gaps * (self.precision @ gaps))
        order = np.argsort(-parts, kind="stable")[:NAMED]
        return [names[i] for i in order.tolist() if parts[i] > 0]


def _nearest(rows: NDArray[np.float32], distances: NDArray[np.float64]) -> NDArray[np.float32]:
    return rows[distances <= np.quantile(distances, 1 - TRIMMED)]
