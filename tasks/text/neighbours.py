"""The most similar vectors of each vector."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BLOCK = 2**25
"""Similarities that are held at once, on all threads together: 128 MiB of float32."""
_MOST_ROWS = 4_096
"""Queries of a block at most, so that what is made of few vectors stays small too."""
_LEAST_ROWS = 32
"""BLAS computes a product of fewer rows by other code, with other last bits."""
_CHUNK = 32
_GRID = 2.0**18
"""Similarities are rounded to multiples of its inverse, which are above the noise of float32."""

Floats = NDArray[np.float32]
Places = NDArray[np.int64]


def nearest_neighbours(
    queries: Floats, vectors: Floats, count: int, device: str = "cpu"
) -> tuple[Places, Floats]:
    """The `count` most similar vectors of each query, exact, best first, ties by the lower place.

    Similarities are compared to four millionths, so that a query's neighbours depend neither
    on the queries that come with it nor on the number of threads.

    Args:
        queries: (q, d) unit vectors, or zero.
        vectors: (n, d) unit vectors, or zero.
        count: How many to find; of fewer vectors all are returned.
        device: Where torch computes: cpu, cuda or cuda:N. It holds the vectors and `BLOCK`.

    Returns:
        (q, k) places in `vectors` and (q, k) cosine similarities, k the lesser of `count` and n.

    >>> vectors = np.eye(3, dtype=np.float32)
    >>> nearest_neighbours(vectors[:1], vectors, 2)[0]
    array([[0, 1]])
    """
    import torch

    count = min(count, len(vectors))
    places = np.empty((len(queries), count), np.int64)
    similar = np.empty((len(queries), count), np.float32)
    if not places.size:
        return places, similar
    # On the CPU each thread searches blocks of its own: threads that share a block would wait for
    # each other after every step of it.
    threads, width = torch.get_num_threads(), -(-len(vectors) // _CHUNK) * _CHUNK
    workers = min(threads if device == "cpu" else 1, BLOCK // (width * _LEAST_ROWS)) or 1
    rows = min(_MOST_ROWS, BLOCK // (width * workers), -(-len(queries) // workers))
    search = _Search(queries, _tensor(vectors, device), places, similar, max(rows, _LEAST_ROWS))
    try:
        with ThreadPoolExecutor(workers, "nearest", torch.set_num_threads, (1,)) as pool:
            list(pool.map(partial(search.run, workers, width), range(workers)))
    finally:
        torch.set_num_threads(threads)
    return places, similar


@dataclass(frozen=True)
class _Search:
    """The queries, the (n, d) vectors on their device, the arrays to fill, and rows of a block."""

    queries: Floats
    vectors: Tensor
    places: Places
    similar: Floats
    rows: int

    def run(self, workers: int, width: int, worker: int) -> None:
        """Search a worker's share of the blocks, in a buffer of so many columns."""
        import torch

        rows, device = self.rows, self.vectors.device
        with torch.inference_mode():
            # The padding of the last chunk is minus infinity, and so never among the best.
            held = torch.full((rows, width), -torch.inf, device=device)
            for start in range(worker * rows, len(self.queries), workers * rows):
                batch = _tensor(self.queries[start : start + rows], device)
                size = len(batch)
                batch = torch.nn.functional.pad(batch, (0, 0, 0, max(0, _LEAST_ROWS - size)))
                block = held[: len(batch)]
                torch.mm(batch, self.vectors.T, out=block[:, : len(self.vectors)])
                found, values = _best(block, self.places.shape[1])
                self.places[start : start + size] = found[:size].cpu().numpy()
                self.similar[start : start + size] = values[:size].cpu().numpy()


def _tensor(vectors: Floats, device: str | torch.device) -> Tensor:
    import torch

    # Torch warns of a read-only array, so such an array is copied.
    return torch.from_numpy(np.require(vectors, np.float32, ["C", "W"])).to(device)


def _best(similar: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The places and the values of the `count` largest of each row.

    They lie in the `count` chunks of the largest maxima, because each of these holds at least
    one value. So of most chunks only the maximum is computed.
    """
    chunked = similar.view(len(similar), -1, _CHUNK)
    leading = _first(chunked.amax(2), min(count, chunked.shape[1])).sort(1).values
    candidates = chunked.gather(1, leading[:, :, None].expand(-1, -1, _CHUNK)).flatten(1)
    chosen = _first(candidates, count)
    places = leading.gather(1, chosen // _CHUNK) * _CHUNK + chosen % _CHUNK
    return places, (candidates.gather(1, chosen) * _GRID).round() / _GRID


def _first(values: Tensor, count: int) -> Tensor:
    """The places of the `count` largest of each row on the grid, ties by the lower place."""
    import torch

    size = values.shape[1]
    # Whole numbers, exact in float64, no two of a row the same.
    keys = (values * _GRID).round().double() * size - torch.arange(size, device=values.device)
    return keys.topk(count, dim=1).indices
