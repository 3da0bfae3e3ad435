"""The vectors of the texts, as they are or in fewer dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.fuse.directions import Floats32, label_axes, main_axes
from tasks.fuse.goals import goals
from tasks.fuse.parts import Matrix, Part, Rows
from tasks.fuse.settings import FuseSettings

if TYPE_CHECKING:
    from tasks.fuse.target import Target


class Vectors(Part):
    """The text vectors as they are, or along a few directions, as `settings.reduce` says.

    `pca` takes the directions along which the vectors differ most; `pls` those that go with the
    label, or those of `pca` if there is no label or it does not vary. They are learnt from the
    rows with text. A row without text stays zero, which is then the mean of those with text.
    """

    def __init__(self, settings: FuseSettings | None = None) -> None:
        self.settings = settings or FuseSettings()

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:
        """Look whether there is any text, and learn the directions."""
        written = np.any(rows.vectors, axis=1)
        self.width = rows.vectors.shape[1] if written.any() else 0
        self.axes: Floats32 | None = None
        self.named = ""
        if self.settings.reduce != "none" and self.width:
            self._learn(rows.vectors[written], None if target is None else target.take(written))
        return self.transform(rows)

    def transform(self, rows: Rows) -> Matrix:
        """The vectors, or their places along the directions, float32 (n, d)."""
        vectors = rows.vectors.astype(np.float32, copy=False)
        if self.axes is None:
            return vectors[:, : self.width]
        written = np.any(vectors, axis=1, keepdims=True)
        return np.where(written, vectors @ self.axes - self.origin, np.float32(0))

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
