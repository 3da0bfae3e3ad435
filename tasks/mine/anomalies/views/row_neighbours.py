"""Distances of rows to their k-th nearest reference: of any rows, or of rows of mostly zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.stats.p_values import round_significant
from fusemine.tasks.stats.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.mine.anomalies.views.view import Flags, Floats, Ints, Vectors

_BLOCK = 128


@dataclass(frozen=True)
class KthNeighbour:
    """How far rows are from their `k`-th nearest reference (Ramaswamy et al. 2000).

    Attributes:
        references: (r, d) the references.
        k: Which neighbour counts; the last where there are fewer.
    """

    references: Vectors
    k: int

    def distances(self, rows: Vectors, itself: Flags) -> Floats:
        """Euclidean distances of (n, d) rows, (n,), to 6 significant digits.

        Args:
            rows: The rows.
            itself: (n,) those that are references, each its own nearest one.
        """
        from sklearn.neighbors import NearestNeighbors

        sought = min(self.k + 1, len(self.references))
        with one_thread():
            model = NearestNeighbors(n_neighbors=sought, algorithm="brute").fit(self.references)
            distances, _ = model.kneighbors(rows)
        place = np.minimum(np.where(itself, self.k, self.k - 1), sought - 1)
        return round_significant(distances[np.arange(len(rows)), place].astype(np.float64))


@dataclass(frozen=True)
class SparseNeighbours:
    """The same distances as those of several `KthNeighbour`, to 6 significant digits.

    All of them share the features of the levels, nearly all of which are 0: their product with the
    references is computed once, from what is not 0.

    Attributes:
        neighbours: They have p features of their own each, and then s shared ones.
        shared: (s, r) the references' shared features, times -2.
        own: For each of `neighbours` (p + 1, r) its own features, times -2, and squared norms.
    """

    neighbours: Sequence[KthNeighbour]
    shared: Floats
    own: Sequence[Floats]

    @classmethod
    def of(cls, neighbours: Sequence[KthNeighbour], shared: int) -> SparseNeighbours:
        """Prepare distances whose last so many features are the same."""
        each = [its.references.T.astype(np.float64) for its in neighbours]
        own = [np.vstack([-2 * its[: len(its) - shared], (its**2).sum(axis=0)]) for its in each]
        common = np.ascontiguousarray(-2 * each[0][len(each[0]) - shared :])
        return cls(neighbours, common, own)

    def distances(self, rows: Sequence[Vectors]) -> list[Floats]:
        """Euclidean distances of n rows, none of them a reference, by each of `neighbours`, (n,).

        Args:
            rows: For each of `neighbours` the rows' features, (n, p + s).
        """
        from scipy.sparse import csr_array

        size = len(self.shared)
        levels = csr_array(rows[0][:, rows[0].shape[1] - size :].astype(np.float64))
        places = [np.empty(len(its), np.int64) for its in rows]
        each = list(zip(rows, self.neighbours, self.own, places, strict=True))
        for start in range(0, len(rows[0]), _BLOCK):
            block = slice(start, start + _BLOCK)
            product = levels[block] @ self.shared
            for its, neighbour, own, found in each:
                found[block] = _kth_nearest(its[block], product, own, neighbour.k)
        return [_distances(its, by.references[found]) for its, by, _, found in each]


def _kth_nearest(rows: Vectors, product: Floats, own: Floats, k: int) -> Ints:
    """The places of the k-th nearest references of some rows, ties by the lower place."""
    ones = np.ones((len(rows), 1))
    # The squared distances, less the rows' own squares.
    gaps = np.hstack([rows[:, : len(own) - 1], ones]) @ own
    gaps += product
    place = min(k, gaps.shape[1]) - 1
    chosen = np.partition(gaps, place, axis=1)[:, place]
    return np.asarray((gaps == chosen[:, None]).argmax(axis=1))


def _distances(rows: Vectors, references: Vectors) -> Floats:
    """From each row to its reference, with the digits that scikit-learn leaves of float32."""
    gaps = rows.astype(np.float64) - references
    squares = (gaps * gaps).sum(axis=1).astype(np.float32)
    return round_significant(np.sqrt(squares).astype(np.float64))
