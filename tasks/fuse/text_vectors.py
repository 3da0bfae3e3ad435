"""The vectors of the texts, as they are or along the few directions that explain most."""

from __future__ import annotations

import warnings
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import Matrix, Rows, Transformer
from fusemine.tasks.stats.fixed_batches import compute_in_batches, stable_batch_size
from fusemine.tasks.stats.sampling import assign_folds
from fusemine.tasks.stats.target import target_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats, Target

Floats32: TypeAlias = "NDArray[np.float32]"
FOLDS, SEED = 5, 0
MAX_ITERATIONS = 100
"""The most steps for one direction of partial least squares, which need not be exact."""
NOISE = 1e-6
"""Directions in which vectors differ by less than this share of the most are rounding."""


@storable
class TextVectors(Transformer):
    """The text vectors as they are, or along a few directions, as `settings.reduce` asks.

    `pca` takes the directions along which the vectors differ most; `pls` those that go with the
    label, or those of `pca` if there is no label or it does not vary. They are learned from the
    rows with text. A row without text stays zero, which is then the mean of those with text.
    """

    def __init__(self, settings: FuseSettings | None = None) -> None:
        self.settings = settings or FuseSettings()

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:
        """Find out whether there is any text, and learn the directions.

        Directions that go with the label saw it: each fold of these rows is projected on the
        directions of the other folds, rotated to lie as the final ones do.
        """
        with_text = np.any(rows.vectors, axis=1)
        self.width = rows.vectors.shape[1] if with_text.any() else 0
        self.axes: Floats32 | None = None
        self.prefix = ""
        if self.settings.reduce != "none" and self.width:
            self._fit(rows.vectors[with_text], None if target is None else target.take(with_text))
        projected = self.transform(rows)
        if target is not None and self.prefix.startswith("pls"):
            fold = assign_folds(target, rows.clean, FOLDS, SEED)
            for held in (fold == part for part in np.unique(fold)):
                others, vectors = with_text & ~held, rows.vectors
                projected[held] = self._held_out(
                    vectors[others], target.take(others), vectors[held]
                )
        return projected

    def transform(self, rows: Rows) -> Matrix:
        """The vectors, or their places along the directions, float32 (n, d)."""
        vectors = rows.vectors.astype(np.float32, copy=False)
        if self.axes is None:
            return vectors[:, : self.width]
        with_text = np.any(vectors, axis=1, keepdims=True)
        projected = compute_in_batches(self._projected, vectors, self._batch)
        return np.where(with_text, projected, np.float32(0))

    def get_feature_names_out(self) -> list[str]:
        """The dimensions' numbers, after `pca` or `pls` if they are directions."""
        return [f"{self.prefix}{dimension}" for dimension in range(self.width)]

    @cached_property
    def _batch(self) -> int:
        return stable_batch_size(lambda b: self._projected(b[""]), {"": len(np.asarray(self.axes))})

    def _projected(self, vectors: Floats32) -> Floats32:
        return np.asarray(vectors @ np.asarray(self.axes) - self.origin)

    def _fit(self, vectors: Floats32, target: Target | None) -> None:
        most = self.settings.dimensions
        if self.settings.reduce == "pls" and target is not None:
            self.prefix, self.axes = "pls ", pls_axes(vectors, target_matrix(target), most)
        if self.axes is None or not self.axes.shape[1]:
            self.prefix, self.axes = "pca ", pca_axes(vectors, most)
        mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.origin, self.width = mean @ self.axes, self.axes.shape[1]

    def _held_out(self, vectors: Floats32, target: Target, held: Floats32) -> Matrix:
        """The held rows along the directions of others; zero where these show none."""
        from scipy.linalg import orthogonal_procrustes

        if self.axes is None or len(target) < 2:
            return np.zeros((len(held), self.width), dtype=np.float32)
        axes = pls_axes(vectors, target_matrix(target), self.width)
        # Where the others show as many directions, a rotation is enough; otherwise the nearest
        # linear map is taken.
        turn, _ = (
            orthogonal_procrustes(axes, self.axes)
            if axes.shape == self.axes.shape
            else (np.linalg.pinv(axes) @ self.axes, 0.0)
        )
        centred = held - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        projected = (centred @ axes @ turn).astype(np.float32)
        return np.where(np.any(held, axis=1, keepdims=True), projected, np.float32(0))


def pca_axes(vectors: Floats32, most: int) -> Floats32:
    """The principal components of vectors (n, d), float32 (d, at most `most`).

    >>> line = np.array([[0, 0], [1, 0], [2, 0]], np.float32)
    >>> np.abs(pca_axes(line, 1)).tolist()
    [[1.0], [0.0]]
    """
    from sklearn.decomposition import PCA

    most = min(most, len(vectors) - 1, vectors.shape[1])
    if most < 1 or not np.ptp(vectors, axis=0).any():
        return np.empty((vectors.shape[1], 0), dtype=np.float32)
    axes: Floats32 = PCA(most, random_state=SEED).fit(vectors).components_.T
    return np.ascontiguousarray(axes, dtype=np.float32)


def pls_axes(vectors: Floats32, wanted: Floats, most: int) -> Floats32:
    """The directions of partial least squares (Wold, Sjöström and Eriksson 2001).

    Args:
        vectors: The n vectors (n, d).
        wanted: What is to be explained (n, columns).
        most: The most directions.

    Returns:
        Float32 (d, directions): as many as explain anything, perhaps none.
    """
    from scipy.linalg import pinv
    from sklearn.cross_decomposition import PLSRegression

    known, explained = _condensed(vectors, wanted)
    sizes = np.linalg.svd(known, compute_uv=False)
    rank = np.count_nonzero(sizes > max(NOISE * sizes.max(initial=0.0), NOISE))
    most = min(most, int(rank))
    if not most:
        return np.empty((vectors.shape[1], 0), dtype=np.float32)
    model = PLSRegression(most, scale=False, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings(), suppress(ValueError):
        # It warns of directions that are near enough, and fails where nothing is left to explain.
        warnings.simplefilter("ignore")
        model.fit(known, explained)
    # Directions count up to the first that has no weights.
    found = int(np.cumprod(np.linalg.norm(model.x_weights_, axis=0) > 0.5).sum())
    weights, loadings = model.x_weights_[:, :found], model.x_loadings_[:, :found]
    return np.ascontiguousarray(weights @ pinv(loadings.T @ weights), dtype=np.float32)


def _condensed(vectors: Floats32, wanted: Floats) -> tuple[Floats, Floats]:
    """At most 2 d rows of mean 0 that have, but for a factor, the covariances of all n.

    Partial least squares reads nothing else, and takes the longer the more rows there are.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    orthogonal, triangle = np.linalg.qr(centred)
    turned = orthogonal.T @ (wanted - wanted.mean(axis=0))
    return np.vstack([triangle, -triangle]), np.vstack([turned, -turned])
