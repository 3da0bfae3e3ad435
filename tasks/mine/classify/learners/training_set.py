"""What a learner is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.transformers import BlockName, Matrix, Rows
from fusemine.tasks.stats.fixed_batches import compute_in_batches, stable_batch_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.fuse.blocks import Block
    from fusemine.tasks.stats.target import Floats, Target

Matrices: TypeAlias = Mapping[BlockName, Matrix]


@dataclass(frozen=True)
class TrainingSet:
    """The training rows of a learner, as fitted blocks, and their label.

    Args:
        rows: The n rows, for their plain numbers and categories.
        blocks: The fitted blocks.
        matrices: Their features, each (n, features).
        target: The label of the rows.
        sample_weights: How much each row counts (n,), or None for all alike.
        seed: Where the random numbers start.
        device: Where networks are computed.
    """

    rows: Rows
    blocks: Mapping[BlockName, Block]
    matrices: Matrices
    target: Target
    sample_weights: Floats | None = None
    seed: int = 0
    device: str = "cpu"

    def select(self, names: Iterable[BlockName]) -> TrainingSet:
        """The same rows with some of the blocks."""
        kept = [name for name in names if name in self.matrices]
        return replace(
            self,
            blocks={name: self.blocks[name] for name in kept},
            matrices={name: self.matrices[name] for name in kept},
        )

    def take(self, index: NDArray[np.intp]) -> TrainingSet:
        """The rows at these positions."""
        weights = self.sample_weights
        return replace(
            self,
            rows=self.rows.take(index),
            matrices={name: matrix[index] for name, matrix in self.matrices.items()},
            target=self.target.take(index),
            sample_weights=None if weights is None else weights[index],
        )


class FittedLearner(Protocol):
    """What a learner gives back."""

    def predict(self, rows: Rows, matrices: Matrices, /) -> Floats:
        """Probabilities or numbers (n, outputs) of n rows whose blocks are `matrices`."""


Learner: TypeAlias = Callable[[TrainingSet], "FittedLearner | None"]
"""Fits on rows of at least two classes (or any numbers); None if it can read none of the blocks."""


@storable
@dataclass(frozen=True)
class Prior:
    """Predicts the same for every row: the classes' shares, or the mean of the numbers."""

    outputs: Floats

    def predict(self, rows: Rows, _: Matrices) -> Floats:
        """The same outputs for all rows (n, outputs)."""
        return np.tile(self.outputs, (len(rows), 1))


@storable
@dataclass(frozen=True)
class FittedEstimator:
    """A scikit-learn estimator whose prediction of a row does not depend on the rows beside it.

    Args:
        estimator: The fitted estimator.
        outputs: Columns of a prediction.
        dtype: Of the dense features that it reads.
    """

    estimator: Any
    outputs: int
    dtype: str = "float32"

    def predict(self, features: Matrix) -> Floats:
        """Probabilities or numbers (n, outputs) of features (n, d)."""
        if not isinstance(features, np.ndarray):
            return self._predict(features)
        return compute_in_batches(self._predict, features, self._batch)

    @cached_property
    def _batch(self) -> int:
        widths = {"": self.estimator.n_features_in_}
        return stable_batch_size(lambda batch: self._predict(batch[""]), widths, self.dtype)

    def _predict(self, features: Matrix) -> Floats:
        return predict_estimator(self.estimator, features, self.outputs)


def predict_estimator(estimator: Any, features: Matrix, outputs: int) -> Floats:
    """The predictions (n, outputs) of a fitted scikit-learn estimator for features (n, d).

    A class that it has not seen has probability 0.
    """
    if not hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict(features), dtype=np.float64).reshape(-1, 1)
    # A fold may lack a class, so the estimator's columns go to the places of its own classes.
    result = np.zeros((features.shape[0], outputs))
    result[:, estimator.classes_] = estimator.predict_proba(features)
    return result


def hstack_matrices(matrices: Sequence[Matrix]) -> Matrix:
    """One float32 matrix (n, features) of several, sparse if any of them is."""
    from scipy import sparse

    if len(matrices) == 1:
        return matrices[0]
    # Dense blocks stay dense: a sparse matrix of few zeros would be slower and larger.
    if not any(sparse.issparse(matrix) for matrix in matrices):
        return np.hstack(matrices)
    joined = sparse.hstack([_csr(one) for one in matrices], format="csr", dtype=np.float32)
    joined.sort_indices()
    return joined


def _csr(matrix: Matrix) -> Matrix:
    """The matrix as CSR; of a dense one this is several times faster than SciPy's conversion."""
    from scipy import sparse

    if sparse.issparse(matrix):
        return matrix
    # CSR arrays follow from the mask: values and columns row by row, and where each row starts.
    nonzero = matrix != 0
    columns = np.broadcast_to(np.arange(matrix.shape[1], dtype=np.int32), matrix.shape)
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(nonzero, axis=1))])
    return sparse.csr_matrix((matrix[nonzero], columns[nonzero], starts), shape=matrix.shape)
