"""The dense form of rows that neighbours and networks read: one dense matrix per block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.svd import Reduced, fit_svd
from fusemine.tasks.mine.classify.learners.training_set import Floats, Lesson, Matrices, estimated
from fusemine.tasks.stats.fixed_batches import batch_size, computed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusemine.tasks.fuse.transformers import BlockName, Matrix, Rows

WIDE, DIMENSIONS = 400, 300
"""A sparse block of more columns than the first is reduced to so many dimensions."""
NEIGHBOURS = 25


@storable
@dataclass(frozen=True)
class DenseForm:
    """How sparse blocks become dense."""

    reducers: Mapping[BlockName, Reduced]
    """For each wide sparse block."""

    def blocks(self, matrices: Matrices) -> dict[str, NDArray[np.float32]]:
        """The blocks of new rows, each float32 (n, d)."""
        return {name: self._dense(name, matrix) for name, matrix in matrices.items()}

    def _dense(self, name: BlockName, matrix: Matrix) -> NDArray[np.float32]:
        if name in self.reducers:
            matrix = self.reducers[name].transform(matrix)
        array = matrix.toarray() if hasattr(matrix, "toarray") else matrix
        return np.ascontiguousarray(array, dtype=np.float32)


def fit_dense(lesson: Lesson) -> DenseForm:
    """Fit it on the blocks of a lesson."""
    wide = {
        name: fit_svd(matrix, DIMENSIONS, lesson.seed)
        for name, matrix in lesson.matrices.items()
        if hasattr(matrix, "toarray") and matrix.shape[1] > WIDE
    }
    return DenseForm({name: reducer for name, reducer in wide.items() if reducer is not None})


@storable
@dataclass(frozen=True)
class Neighbours:
    """Fitted nearest neighbours."""

    form: DenseForm
    names: tuple[BlockName, ...]
    estimator: Any
    outputs: int

    def predict(self, _: Rows, matrices: Matrices) -> Floats:
        """Probabilities or numbers (n, outputs) of rows whose blocks are `matrices`."""
        blocks = self.form.blocks({name: matrices[name] for name in self.names})
        features = np.hstack(list(blocks.values()))
        return computed(self._estimated, features, self._batch)

    @cached_property
    def _batch(self) -> int:
        widths = {"": self.estimator.n_features_in_}
        return batch_size(lambda batch: self._estimated(batch[""]), widths)

    def _estimated(self, features: NDArray[np.float32]) -> Floats:
        return estimated(self.estimator, features, self.outputs)


def fit_neighbours(lesson: Lesson) -> Neighbours | None:
    """The nearest rows by the blocks' features, near ones counting more.

    How much a row counts has no part in it.
    """
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if not lesson.matrices:
        return None
    kind = KNeighborsRegressor if lesson.target.is_number else KNeighborsClassifier
    form = fit_dense(lesson)
    features = np.hstack(list(form.blocks(lesson.matrices).values()))
    count = min(NEIGHBOURS, len(lesson.target))
    estimator = kind(n_neighbors=count, weights="distance", algorithm="brute", n_jobs=1)
    estimator.fit(features, lesson.target.values)
    return Neighbours(form, tuple(lesson.matrices), estimator, lesson.target.outputs)
