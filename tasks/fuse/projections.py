"""The few directions of a cloud of vectors that say most of it, or most of a label."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats

Floats32: TypeAlias = "NDArray[np.float32]"
SEED = 0
STEPS = 100
"""The most steps for one direction of partial least squares, which need not be exact."""
NOISE = 1e-6
"""Directions in which vectors differ by less than this share of the most are rounding."""


def main_axes(vectors: Floats32, most: int) -> Floats32:
    """The principal components of vectors (n, d), float32 (d, at most `most`)."""
    from sklearn.decomposition import PCA

    most = min(most, len(vectors) - 1, vectors.shape[1])
    if most < 1 or not np.ptp(vectors, axis=0).any():
        return np.empty((vectors.shape[1], 0), dtype=np.float32)
    axes: Floats32 = PCA(most, random_state=SEED).fit(vectors).components_.T
    return np.ascontiguousarray(axes, dtype=np.float32)


def label_axes(vectors: Floats32, wanted: Floats, most: int) -> Floats32:
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
    most = min(most, _rank(known))
    if not most:
        return np.empty((vectors.shape[1], 0), dtype=np.float32)
    model = PLSRegression(most, scale=False, max_iter=STEPS)
    with warnings.catch_warnings(), suppress(ValueError):
        # It warns of directions that are near enough, and fails where nothing is left to explain.
        warnings.simplefilter("ignore")
        model.fit(known, explained)
    found = _leading(np.linalg.norm(model.x_weights_, axis=0) > 0.5)
    weights, loadings = model.x_weights_[:, :found], model.x_loadings_[:, :found]
    return np.ascontiguousarray(weights @ pinv(loadings.T @ weights), dtype=np.float32)


def _condensed(vectors: Floats32, wanted: Floats) -> tuple[Floats, Floats]:
    """At most 2 d rows of mean 0 that have, but for a factor, the covariances of all n.

    Partial least squares looks at nothing else, and takes as long as there are rows.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    orthogonal, triangle = np.linalg.qr(centred)
    turned = orthogonal.T @ (wanted - wanted.mean(axis=0))
    return np.vstack([triangle, -triangle]), np.vstack([turned, -turned])


def _rank(matrix: Floats) -> int:
    sizes = np.linalg.svd(matrix, compute_uv=False)
    return int(np.count_nonzero(sizes > max(NOISE * sizes.max(initial=0.0), NOISE)))


def _leading(sound: NDArray[np.bool_]) -> int:
    """How many come before the first that is not."""
    return int(np.cumprod(sound).sum())
