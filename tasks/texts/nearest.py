"""The most similar vectors of each vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.threads import one_thread

_BLOCK = 2**24
"""Similarities that are held at once: 64 MiB of float32."""

Floats = NDArray[np.float32]
Places = NDArray[np.int64]


def nearest(queries: Floats, vectors: Floats, count: int) -> tuple[Places, Floats]:
    """The `count` most similar vectors of each query, exact, best first.

    Args:
        queries: (q, d) unit vectors.
        vectors: (n, d) unit vectors, n >= count.

    Returns:
        (q, count) places in `vectors` and (q, count) cosine similarities.
    """
    places = np.empty((len(queries), count), np.int64)
    similar = np.empty((len(queries), count), np.float32)
    block = max(1, _BLOCK // max(1, len(vectors)))
    with one_thread():
        for start in range(0, len(queries), block):
            part = slice(start, start + block)
            places[part], similar[part] = _most_similar(queries[part] @ vectors.T, count)
    return places, similar


def _most_similar(similar: Floats, count: int) -> tuple[Places, Floats]:
    if count < similar.shape[1]:
        chosen = np.argpartition(-similar, count - 1, axis=1)[:, :count]
    else:
        chosen = np.tile(np.arange(count), (len(similar), 1))
    found = np.take_along_axis(similar, chosen, axis=1)
    order = np.lexsort((chosen, -found), axis=1)
    return np.take_along_axis(chosen, order, axis=1), np.take_along_axis(found, order, axis=1)
