"""The vectors of the texts, as they are or in fewer dimensions."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.projections import Floats32, label_axes, main_axes
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import Matrix, Part, Rows
from fusemine.tasks.stats.fixed_batches import batch_size, computed
from fusemine.tasks.stats.folds import folds_of
from fusemine.tasks.stats.target_matrix import goals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Target

FOLDS, SEED = 5, 0


@storable
class Vectors(Part):
    """The text vectors as they are, or along a few directions, as `settings.reduce` says.

    `pca` takes the directions along which the vectors differ most; `pls` those that go with the
    label, or those of `pca` if there is no label or it does not vary. They are learnt from the
    rows with text. A row without text stays zero, which is then the mean of those with text.
    """

    def __init__(self, settings: FuseSettings | None = None) -> None:
        self.settings = settings or FuseSettings()

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:
        """Look whether there is any text, and learn the directions.

        Those that go with the label know it: each fold of these rows is placed along the
        directions of the other folds, turned to lie as the final ones do.
        """
        written = np.any(rows.vectors, axis=1)
        self.width = rows.vectors.shape[1] if written.any() else 0
        self.axes: Floats32 | None = None
        self.named = ""
        if self.settings.reduce != "none" and self.width:
            self._learn(rows.vectors[written], None if target is None else target.take(written))
        placed = self.transform(rows)
        if target is not None and self.named.startswith("pls"):
            fold = folds_of(target, rows.clean, FOLDS, SEED)
            for held in (fold == part for part in np.unique(fold)):
                known = written & ~held
                placed[held] = self._turned(rows.vectors[known], target.take(known), rows, held)
        return placed

    def _turned(
        self, vectors: Floats32, target: Target, rows: Rows, held: NDArray[np.bool_]
    ) -> Matrix:
        """The held rows along the directions of others; zero where these show none."""
        from scipy.linalg import orthogonal_procrustes

        there = rows.vectors[held]
        if self.axes is None or len(target) < 2:
            return np.zeros((len(there), self.width), dtype=np.float32)
        axes = label_axes(vectors, goals(target), self.width)
        turn, _ = (
            orthogonal_procrustes(axes, self.axes)
            if axes.shape == self.axes.shape
            else (np.linalg.pinv(axes) @ self.axes, 0.0)
        )
        centred = there - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        found = (centred @ axes @ turn).astype(np.float32)
        return np.where(np.any(there, axis=1, keepdims=True), found, np.float32(0))

    def transform(self, rows: Rows) -> Matrix:
        """The vectors, or their places along the directions, float32 (n, d)."""
        vectors = rows.vectors.astype(np.float32, copy=False)
        if self.axes is None:
            return vectors[:, : self.width]
        written = np.any(vectors, axis=1, keepdims=True)
        placed = computed(self._placed, vectors, self._batch)
        return np.where(written, placed, np.float32(0))

    @cached_property
    def _batch(self) -> int:
        return batch_size(lambda batch: self._placed(batch[""]), {"": len(np.asarray(self.axes))})

    def _placed(self, vectors: Floats32) -> Floats32:
        return np.asarray(vectors @ np.asarray(self.axes) - self.origin)

    def get_feature_names_out(self) -> list[str]:
        """The dimensions' numbers, after `pca` or `pls` if they are directions."""
        return [f"{self.named}{dimension}" for dimension in range(self.width)]

    def _learn(self, vectors: Floats32, target: Target | None) -> None:
        most = self.settings.dimensions
        if self.settings.reduce == "pls" and target is not None:
            self.named, self.axes = "pls ", label_axes(vectors, goals(target), most)
        if self.axes is None or not self.axes.shape[1]:
            self.named, self.axes = "pca ", main_axes(vectors, most)
        mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.origin, self.width = mean @ self.axes, self.axes.shape[1]
