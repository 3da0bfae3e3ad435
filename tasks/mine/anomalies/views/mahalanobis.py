"""How far rows are from what is usual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.stats.p_values import significant
from fusemine.tasks.stats.sampling import evenly
from fusemine.tasks.stats.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TEXT_SHRINKAGE, TABLE_SHRINKAGE = 0.1, 0.6
"""How far a covariance is drawn to a sphere. A rare category has hardly any variance of its
own, so that with little shrinkage a table's rare categories outshout its numbers."""
TRIMMED, ROUNDS = 0.4, 3
"""The share of the rows that is left out as far away, and how often it is chosen anew."""
SHAPING = 10_000
"""Rows that shape a core; of more, so many that are evenly spread."""
NAMED = 3
"""Features that are named of a row."""
REFERENCES = 5_000
"""Rows among which a row's nearest ones are sought; of more, so many that are evenly spread."""
_BLOCK = 8_192
_ALIKE = 1e-9


@storable
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

    @classmethod
    def core(cls, rows: NDArray[np.float32], shrinkage: float) -> Shape | None:
        """The shape of most of (n, d) rows, which a group of outliers cannot pull to itself.

        Time and again the `TRIMMED` share of the rows that is farthest away is left out, as the
        minimum covariance determinant does (Rousseeuw and Van Driessen 1999); at first by the
        distance from the median of each column, as the covariance of all rows would hide a tight
        group of outliers behind the direction that it makes itself (Olive 2004).
        """
        rows = rows[evenly(len(rows), SHAPING)]
        if not rows.size:
            return None
        gaps = (rows - np.median(rows, axis=0)).astype(np.float64)
        # Where most rows are the same, they have no shape of their own.
        shape = cls.of(_nearest(rows, (gaps**2).sum(axis=1)), shrinkage) or cls.of(rows, shrinkage)
        for _ in range(ROUNDS):
            if shape is None:
                return None
            shape = cls.of(_nearest(rows, shape.distances(rows)), shrinkage) or shape
        return shape

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


def _nearest(rows: NDArray[np.float32], distances: NDArray[np.float64]) -> NDArray[np.float32]:
    return rows[distances <= np.quantile(distances, 1 - TRIMMED)]


@dataclass(frozen=True)
class Apart:
    """How far rows are from their `count`-th nearest reference (Ramaswamy et al. 2000).

    Attributes:
        references: (r, d) rows to be near to.
        count: Which one counts; the last where there are fewer.
    """

    references: NDArray[np.float32]
    count: int

    def distances(
        self, rows: NDArray[np.float32], itself: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Euclidean distances of (n, d) rows, (n,), to 6 significant digits.

        Args:
            rows: The rows.
            itself: (n,) those that are references, each its own nearest one.
        """
        from sklearn.neighbors import NearestNeighbors

        asked = min(self.count + 1, len(self.references))
        with one_thread():
            model = NearestNeighbors(n_neighbors=asked, algorithm="brute").fit(self.references)
            distances, _ = model.kneighbors(rows)
        place = np.minimum(np.where(itself, self.count, self.count - 1), asked - 1)
        return significant(distances[np.arange(len(rows)), place].astype(np.float64))


def referred(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The places of at most `REFERENCES` known rows, evenly spread."""
    among = np.flatnonzero(known)
    return among[evenly(len(among), REFERENCES)]
