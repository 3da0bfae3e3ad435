"""Distances of rows to their nearest references, for rows that are mostly zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.stats.p_values import significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.views.mahalanobis import Apart

_BLOCK = 128


@dataclass(frozen=True)
class Quick:
    """The same distances as those of several `Apart`, to 6 significant digits.

    All of them share the features of the levels, nearly all of which are 0: their product with the
    references is computed once, from what is not 0.

    Attributes:
        aparts: Distances by some features of their own, p of them, and then the shared ones.
        shared: (s, r) the references' shared features, times -2.
        own: For each of `aparts` (p + 1, r) its references' own features, times -2, and squares.
    """

    aparts: Sequence[Apart]
    shared: NDArray[np.float64]
    own: Sequence[NDArray[np.float64]]

    @classmethod
    def of(cls, aparts: Sequence[Apart], shared: int) -> Quick:
        """Prepare distances of which the last so many features are the same."""
        both = [apart.references.T.astype(np.float64) for apart in aparts]
        own = [np.vstack([-2 * its[: len(its) - shared], (its**2).sum(axis=0)]) for its in both]
        return cls(aparts, np.ascontiguousarray(-2 * both[0][len(both[0]) - shared :]), own)

    def distances(self, rows: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float64]]:
        """Euclidean distances of n rows, none of them a reference, by each of `aparts`, (n,).

        Args:
            rows: For each of `aparts` the rows' features, (n, p + s).
        """
        from scipy.sparse import csr_array

        size = len(self.shared)
        levels = csr_array(rows[0][:, rows[0].shape[1] - size :].astype(np.float64))
        places = [np.empty(len(its), np.int64) for its in rows]
        for start in range(0, len(rows[0]), _BLOCK):
            block = slice(start, start + _BLOCK)
            product = levels[block] @ self.shared
            for its, apart, own, found in zip(rows, self.aparts, self.own, places, strict=True):
                found[block] = _nearest(its[block], product, own, apart)
        return [
            _distances(its, apart.references[found])
            for apart, its, found in zip(self.aparts, rows, places, strict=True)
        ]


def _nearest(
    rows: NDArray[np.float32],
    product: NDArray[np.float64],
    own: NDArray[np.float64],
    apart: Apart,
) -> NDArray[np.int64]:
    """The places of the references that count for some rows, ties by the lower place."""
    ones = np.ones((len(rows), 1))
    # The squared distances, less the rows' own squares.
    gaps = np.hstack([rows[:, : len(own) - 1], ones]) @ own
    gaps += product
    place = min(apart.count, gaps.shape[1]) - 1
    chosen = np.partition(gaps, place, axis=1)[:, place]
    return np.asarray((gaps == chosen[:, None]).argmax(axis=1))


def _distances(rows: NDArray[np.float32], references: NDArray[np.float32]) -> NDArray[np.float64]:
    """From each row to its reference, with the digits that scikit-learn leaves of float32."""
    gaps = rows.astype(np.float64) - references
    squares = (gaps * gaps).sum(axis=1).astype(np.float32)
    return significant(np.sqrt(squares).astype(np.float64))
