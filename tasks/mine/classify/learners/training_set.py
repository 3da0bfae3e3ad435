"""What a learner is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.transformers import BlockName, Matrix, Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.fuse.blocks import Block
    from fusemine.tasks.stats.target import Target

Floats: TypeAlias = "NDArray[np.float64]"
Matrices: TypeAlias = Mapping[BlockName, Matrix]


@dataclass(frozen=True)
class Lesson:
    """The training rows of a learner, as fitted blocks, and what they are to teach.

    Args:
        rows: The n rows, for their plain numbers and categories.
        blocks: The fitted blocks.
        matrices: Their features, each (n, features).
        target: The label of the rows.
        counts: How much each row counts (n,), or None for all alike.
        seed: Where the random numbers start.
        device: Where networks are computed.
    """

    rows: Rows
    blocks: Mapping[BlockName, Block]
    matrices: Matrices
    target: Target
    counts: Floats | None = None
    seed: int = 0
    device: str = "cpu"

    def of(self, names: Iterable[BlockName]) -> Lesson:
        """The same lesson from some of the blocks."""
        kept = [name for name in names if name in self.matrices]
        return replace(
            self,
            blocks={name: self.blocks[name] for name in kept},
            matrices={name: self.matrices[name] for name in kept},
        )

    def take(self, index: NDArray[np.intp]) -> Lesson:
        """The same lesson from the rows at these positions."""
        return replace(
            self,
            rows=self.rows.take(index),
            matrices={name: matrix[index] for name, matrix in self.matrices.items()},
            target=self.target.take(index),
            counts=None if self.counts is None else self.counts[index],
        )


class Member(Protocol):
    """A fitted learner."""

    def predict(self, rows: Rows, matrices: Matrices, /) -> Floats:
        """Probabilities or numbers (n, outputs) of rows whose blocks are `matrices`."""


Learner: TypeAlias = Callable[[Lesson], "Member | None"]
"""Fits on a lesson of at least two classes (or any numbers); None if it can read none of it."""


@storable
@dataclass(frozen=True)
class Prior:
    """Foretells the same of every row: the classes' shares, or the mean of the numbers."""

    outputs: Floats

    def predict(self, rows: Rows, _: Matrices) -> Floats:
        """The same outputs for all rows (n, outputs)."""
        return np.tile(self.outputs, (len(rows), 1))


def side_by_side(matrices: Sequence[Matrix]) -> Matrix:
    """One float32 matrix (n, features), sparse if any of them is."""
    from scipy import sparse

    if len(matrices) == 1:
        return matrices[0]
    if any(sparse.issparse(matrix) for matrix in matrices):
        joined = sparse.hstack([_sparse(one) for one in matrices], format="csr", dtype=np.float32)
        joined.sort_indices()
        return joined
    return np.hstack(matrices)


def _sparse(matrix: Matrix) -> Matrix:
    """The matrix as CSR, a dense one several times faster than SciPy makes it."""
    from scipy import sparse

    if sparse.issparse(matrix):
        return matrix
    there = matrix != 0
    columns = np.broadcast_to(np.arange(matrix.shape[1], dtype=np.int32), matrix.shape)
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(there, axis=1))])
    return sparse.csr_matrix((matrix[there], columns[there], starts), shape=matrix.shape)


def estimated(estimator: Any, features: Matrix, outputs: int) -> Floats:
    """What a fitted scikit-learn estimator foretells (n, outputs).

    A class that it has not seen has probability 0.
    """
    if not hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict(features), dtype=np.float64).reshape(-1, 1)
    result = np.zeros((features.shape[0], outputs))
    result[:, estimator.classes_] = estimator.predict_proba(features)
    return result
