"""Dense blocks for neighbours and networks: sparse ones are reduced by a truncated SVD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.training_set import (
    FittedEstimator,
    Matrices,
    TrainingSet,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusemine.tasks.fuse.transformers import BlockName, Matrix, Rows
    from fusemine.tasks.stats.target import Floats

WIDE, DIMENSIONS = 400, 300
"""A sparse block of more columns than the first is reduced to so many dimensions."""
NEIGHBOURS = 25


@storable
@dataclass(frozen=True)
class SvdProjection:
    """A fitted truncated SVD: components (features, k), the most important first."""

    components: NDArray[np.float32]

    def transform(self, matrix: Matrix) -> NDArray[np.float32]:
        """Rows (n, features) in k dimensions (n, k)."""
        return np.asarray(matrix @ self.components)


def fit_svd(matrix: Matrix, dimensions: int, seed: int) -> SvdProjection | None:
    """A truncated SVD of a sparse matrix (n, features), as in latent semantic analysis.

    Args:
        matrix: The rows.
        dimensions: How many dimensions, at most.
        seed: Where the random numbers start.

    Returns:
        The projection; None where there is too little to reduce.
    """
    from sklearn.decomposition import TruncatedSVD

    most = min(dimensions, min(matrix.shape) - 1)
    if most < 2:
        return None
    # Where all rows are alike scikit-learn divides by a variance of 0, for a figure not used here.
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted = TruncatedSVD(most, n_iter=3, random_state=seed).fit(matrix)
    # In the memory order that a product with sparse rows reads; scikit-learn's is another.
    return SvdProjection(np.ascontiguousarray(fitted.components_.T))


@storable
@dataclass(frozen=True)
class DenseBlocks:
    """How blocks become dense matrices."""

    projections: Mapping[BlockName, SvdProjection]
    """For each wide sparse block."""

    def transform(self, matrices: Matrices) -> dict[str, NDArray[np.float32]]:
        """The blocks of new rows, each float32 (n, d)."""
        return {name: self._dense(name, matrix) for name, matrix in matrices.items()}

    def _dense(self, name: BlockName, matrix: Matrix) -> NDArray[np.float32]:
        if name in self.projections:
            matrix = self.projections[name].transform(matrix)
        array = matrix.toarray() if hasattr(matrix, "toarray") else matrix
        return np.ascontiguousarray(array, dtype=np.float32)


def fit_dense_blocks(training: TrainingSet) -> DenseBlocks:
    """Fit the projections of the wide sparse blocks of a training set."""
    fitted = {
        name: fit_svd(matrix, DIMENSIONS, training.seed)
        for name, matrix in training.matrices.items()
        if hasattr(matrix, "toarray") and matrix.shape[1] > WIDE
    }
    return DenseBlocks({name: found for name, found in fitted.items() if found is not None})


@storable
@dataclass(frozen=True)
class Neighbours:
    """Fitted nearest neighbours."""

    dense: DenseBlocks
    names: tuple[BlockName, ...]
    fitted: FittedEstimator

    def predict(self, _: Rows, matrices: Matrices) -> Floats:
        """Probabilities or numbers (n, outputs) of rows whose blocks are `matrices`."""
        blocks = self.dense.transform({name: matrices[name] for name in self.names})
        return self.fitted.predict(np.hstack(list(blocks.values())))


def fit_neighbours(training: TrainingSet) -> Neighbours | None:
    """The nearest rows by the blocks' features, near ones counting more.

    Sample weights are not used.
    """
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    target = training.target
    if not training.matrices:
        return None
    kind = KNeighborsRegressor if target.is_number else KNeighborsClassifier
    dense = fit_dense_blocks(training)
    features = np.hstack(list(dense.transform(training.matrices).values()))
    count = min(NEIGHBOURS, len(target))
    estimator = kind(n_neighbors=count, weights="distance", algorithm="brute", n_jobs=1)
    fitted = FittedEstimator(estimator.fit(features, target.values), target.outputs)
    return Neighbours(dense, tuple(training.matrices), fitted)
