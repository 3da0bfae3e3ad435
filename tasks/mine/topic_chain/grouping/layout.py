"""The map of the texts: two coordinates for each vector, so that neighbours stay neighbours."""

from __future__ import annotations

import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fusemine.tasks.stats.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.tasks.mine.topic_chain.grouping.graph import Neighbours

SMALL = 50
"""Fewer vectors than this are drawn by their two principal components: UMAP needs more."""
DIGITS = 3
_MANY, _EPOCHS, _FEWER_EPOCHS = 5_000, 500, 200
"""More vectors settle within fewer epochs, each of which takes longer."""
_START_EPOCHS, _START_RATE = 100, 0.1
"""Epochs and learning rate from an earlier map, whose points should move little."""

Floats = NDArray[np.float32]


def layout(
    vectors: Floats, neighbours: Neighbours, seed: int, start: Floats | None = None
) -> Floats:
    """Coordinates of vectors on a plane.

    UMAP (McInnes, Healy and Melville 2018, arXiv:1802.03426) on exact nearest neighbours, which
    is faster here than its own search and lays out clusters a little better; below `SMALL`
    vectors the two principal components. One thread, so that the bits do not change.

    Args:
        vectors: (n, d) unit vectors, no two the same.
        neighbours: Their nearest others, which should be near on the plane as well.
        seed: Of UMAP's random numbers.
        start: (n, 2) coordinates on an earlier map; the new map begins there, and is turned,
            shifted and scaled so that it looks like the earlier one. One with hardly any distinct
            coordinates, because it was made of a few texts, is not used.

    Returns:
        (n, 2) coordinates, rounded to `DIGITS` digits.
    """
    if start is not None and len(np.unique(start, axis=0)) < SMALL:
        start = None
    if len(vectors) < SMALL or vectors.shape[1] < 3:
        coordinates = principal_components(vectors)
    else:
        coordinates = _umap(vectors, neighbours, 2, seed, start)
    if start is not None:
        coordinates = aligned(coordinates, start)
    return _rounded(coordinates)


def reduce_dimensions(
    vectors: Floats, neighbours: Neighbours, dimensions: int, seed: int
) -> Floats:
    """(n, d) vectors in fewer dimensions, by UMAP; of few vectors the principal components."""
    if len(vectors) < SMALL or vectors.shape[1] <= dimensions:
        return principal_components(vectors, dimensions)
    return _umap(vectors, neighbours, dimensions, seed)


def aligned(coordinates: Floats, start: Floats) -> Floats:
    """Turn, mirror, shift and scale a map so that it fits an earlier one best (Schönemann 1966).

    Args:
        coordinates: (n, 2) of the points on the map.
        start: (n, 2) of the same points on the earlier one.

    >>> square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    >>> np.allclose(aligned(square[:, ::-1] * 3 + 5, square), square, atol=1e-6)
    True
    """
    from scipy.linalg import orthogonal_procrustes

    here, there = coordinates.astype(np.float64), start.astype(np.float64)
    middle, centre = here.mean(axis=0), there.mean(axis=0)
    # Both maps about their own middle: then only the turn and the scale are left to find.
    turn, fit = orthogonal_procrustes(here - middle, there - centre)
    scale = fit / max(float(np.square(here - middle).sum()), 1e-12)
    found = (coordinates - middle) @ turn * scale + centre
    return np.asarray(found, np.float32)


def principal_components(vectors: Floats, count: int = 2) -> Floats:
    """The first principal components of (n, d) vectors, (n, count), each of a fixed sign."""
    found = np.zeros((len(vectors), count), np.float32)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    if len(vectors) > 1:
        left, scale, axes = np.linalg.svd(centred, full_matrices=False)
        size = min(count, len(scale))
        # The sign of a component is arbitrary: its largest weight is made positive.
        largest = np.abs(axes[:size]).argmax(axis=1)
        sign = np.sign(axes[np.arange(size), largest])
        found[:, :size] = left[:, :size] * scale[:size] * sign
    return _rounded(found)


def _rounded(coordinates: Floats) -> Floats:
    # Adding zero turns a negative zero into zero, which has other bytes.
    return np.round(coordinates, DIGITS) + np.float32(0)


def _umap(
    vectors: Floats, neighbours: Neighbours, dimensions: int, seed: int, start: Floats | None = None
) -> Floats:
    with _quiet(), one_thread():
        from umap import UMAP

        _keep_compiled()
        places, distances = _with_itself(neighbours)
        epochs = _EPOCHS if len(vectors) <= _MANY else _FEWER_EPOCHS
        # One seed and one thread: UMAP is only repeatable so.
        mapper = UMAP(
            n_neighbors=places.shape[1],
            n_components=dimensions,
            min_dist=0.05,
            n_epochs=epochs if start is None else _START_EPOCHS,
            init="pca" if start is None else start,
            learning_rate=1.0 if start is None else _START_RATE,
            n_jobs=1,
            random_state=seed,
            precomputed_knn=(places, distances),
        )
        return np.asarray(mapper.fit_transform(vectors), np.float32)


def _keep_compiled() -> None:
    """Let numba cache on disk what it compiles of UMAP, which takes a process six seconds.

    The cache is beside the module, or in the user's cache, or nowhere if it may write to neither.
    """
    from umap import layouts, umap_

    for module, name in (
        (umap_, "smooth_knn_dist"),
        (umap_, "compute_membership_strengths"),
        (layouts, "_nb_optimize_layout_euclidean_single_epoch"),
    ):
        function = getattr(module, name, None)  # of UMAP's own, so it may have another name
        with suppress(RuntimeError):
            if function is not None:
                function.enable_caching()


def _with_itself(neighbours: Neighbours) -> tuple[NDArray[np.int64], Floats]:
    """Each vector's neighbours, itself counted as the first, and their distances."""
    own = np.arange(len(neighbours))[:, None]
    places = np.hstack([own, neighbours.places[:, :-1]])
    similar = np.hstack([np.ones_like(own, np.float32), neighbours.similar[:, :-1]])
    return places, np.sqrt(np.maximum(2 - 2 * similar, 0))


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what UMAP always warns of: Tensorflow is absent, and it could not place new rows."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Tensorflow not installed", category=ImportWarning
        )
        warnings.filterwarnings("ignore", message=r"precomputed_knn\[2\]", category=UserWarning)
        yield
