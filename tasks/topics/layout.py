"""The map of the texts: two coordinates for each vector, so that neighbours stay neighbours."""

from __future__ import annotations

import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.texts.nearest import Places, nearest
from tasks.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = 50
"""Fewer vectors than this are drawn by their two main components: UMAP needs neighbourhoods."""
DIGITS = 3
_NEAREST, _KNOWN = 3, 20_000
"""Known vectors that a further one is placed by, and those among which they are sought."""
_MANY = 5_000
"""More vectors settle within fewer rounds, each of which takes longer."""

Floats = NDArray[np.float32]


def layout(vectors: Floats, neighbours: int, seed: int) -> Floats:
    """Place vectors on a plane.

    UMAP (McInnes, Healy and Melville 2018, arXiv:1802.03426) on exact nearest neighbours, which
    is faster here than its own search and lays out clusters a little better; below `SMALL`
    vectors the two main components. One thread, so that the bits do not change.

    Args:
        vectors: (n, d) unit vectors, no two the same.
        neighbours: How many neighbours shape a vector's place.
        seed: Of UMAP's random numbers.

    Returns:
        (n, 2) coordinates, rounded to `DIGITS` digits.
    """
    if len(vectors) < SMALL or vectors.shape[1] < 3:
        return principal(vectors)
    return np.round(_umap(vectors, neighbours, seed), DIGITS) + np.float32(0)


def principal(vectors: Floats) -> Floats:
    """The first two main components of (n, d) vectors, (n, 2), of one sign on every machine."""
    places = np.zeros((len(vectors), 2), np.float32)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    if len(vectors) > 1:
        left, scale, axes = np.linalg.svd(centred, full_matrices=False)
        size = min(2, len(scale))
        # The sign of a component is arbitrary: its largest weight is made positive.
        largest = np.abs(axes[:size]).argmax(axis=1)
        sign = np.sign(axes[np.arange(size), largest])
        places[:, :size] = left[:, :size] * scale[:size] * sign
    return np.round(places, DIGITS) + np.float32(0)


def _umap(vectors: Floats, neighbours: int, seed: int) -> Floats:
    with _quiet(), one_thread():
        from umap import UMAP

        _keep_compiled()
        count = min(neighbours, len(vectors) - 1)
        mapper = UMAP(
            n_neighbors=count,
            min_dist=0.05,
            n_epochs=200 if len(vectors) > _MANY else 500,
            init="pca",
            n_jobs=1,
            random_state=seed,
            precomputed_knn=_neighbourhoods(vectors, count),
        )
        return np.asarray(mapper.fit_transform(vectors), np.float32)


def _keep_compiled() -> None:
    """Let numba keep on disk what it compiles of UMAP, which takes a process six seconds.

    It keeps it beside the module, or in the user's cache, or nowhere if it may write to neither.
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


def _neighbourhoods(vectors: Floats, count: int) -> tuple[Places, Floats]:
    """Each vector's neighbours with itself first, as UMAP wants them, and their distances."""
    places, similar = nearest(vectors, vectors, count)
    own = np.arange(len(vectors))[:, None]
    # A near copy may come out as more similar than the vector itself; it then moves back.
    similar = np.where(places == own, np.float32(2), similar)
    order = np.argsort(-similar, axis=1, kind="stable")
    places = np.take_along_axis(places, order, axis=1)
    similar = np.take_along_axis(similar, order, axis=1)
    places[:, 0], similar[:, 0] = own[:, 0], 1
    return places, np.sqrt(np.maximum(2 - 2 * similar, 0))


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what UMAP always says: Tensorflow is absent, and it could not place new rows."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Tensorflow not installed", category=ImportWarning
        )
        warnings.filterwarnings("ignore", message=r"precomputed_knn\[2\]", category=UserWarning)
        yield


def place(
    vectors: Floats, known: Floats, places: Floats, topics: NDArray[np.int32]
) -> tuple[Floats, NDArray[np.int32]]:
    """Place further vectors by the known ones that they are most similar to.

    Args:
        vectors: (q, d) unit vectors.
        known: (n, d) the vectors that have a place.
        places: (n, 2) their coordinates.
        topics: (n,) their topics.

    Returns:
        (q, 2) coordinates, the mean of the nearest known vectors of one topic, and (q,) topics,
        those of the nearest.
    """
    step = -(-len(known) // _KNOWN)
    near, _ = nearest(vectors, known[::step], min(_NEAREST, -(-len(known) // step)))
    near *= step
    theirs = topics[near]
    # Only those of one topic: the middle between two islands would be a place of neither.
    weight = (theirs == theirs[:, :1]).astype(np.float32)
    weight /= weight.sum(axis=1, keepdims=True)
    found = (places[near] * weight[:, :, None]).sum(axis=1)
    return np.round(found, DIGITS).astype(np.float32), theirs[:, 0]
