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
"""A product of fewer rows is computed by other code, whose last bits are others."""
_CHUNK = 32
_GRID = 2.0**18
"""Similarities are rounded to such fractions of one: beyond them lies the noise of float32."""

Floats = NDArray[np.float32]
Places = NDArray[np.int64]


def nearest(
    queries: Floats, vectors: Floats, count: int, device: str = "cpu"
) -> tuple[Places, Floats]:
    """The `count` most similar vectors of each query, exact, best first, ties by the lower place.

    Similarities are compared to four millionths, so that a query's neighbours depend neither
    on the queries that come with it nor on the number of threads.

    Args:
        queries: (q, d) unit vectors, or zero.
        vectors: (n, d) unit vectors, or zero.
        count: How many are sought; of fewer vectors all come.
        device: Where torch computes: cpu, cuda or cuda:N. It holds the vectors and `BLOCK`.

    Returns:
        (q, k) places in `vectors` and (q, k) cosine similarities, k the lesser of `count` and n.
    """
    count = min(count, len(vectors))
    places = np.empty((len(queries), count), np.int64)
    similar = np.empty((len(queries), count), np.float32)
    if places.size:
        _Search(queries, _tensor(vectors, device), places, similar).run()
    return places, similar


@dataclass(frozen=True)
class _Search:
    """The queries, the (n, d) vectors on their device, and the arrays that are filled."""

    queries: Floats
    vectors: Tensor
    places: Places
    similar: Floats

    def run(self) -> None:
        """Search block by block, on the CPU one block on each thread.

        Threads that share a block wait for each other after every step of it.
        """
        import torch

        threads = torch.get_num_threads()
        workers = threads if self.vectors.device.type == "cpu" else 1
        workers = max(1, min(workers, BLOCK // (self._width * _LEAST_ROWS)))
        rows = min(_MOST_ROWS, BLOCK // (self._width * workers), -(-len(self.queries) // workers))
        search = partial(self._blocks, workers, max(rows, _LEAST_ROWS))
        try:
            with ThreadPoolExecutor(workers, "nearest", torch.set_num_threads, (1,)) as pool:
                list(pool.map(search, range(workers)))
        finally:
            torch.set_num_threads(threads)

    @property
    def _width(self) -> int:
        return -(-len(self.vectors) // _CHUNK) * _CHUNK

    def _blocks(self, workers: int, rows: int, first: int) -> None:
        """Search a worker's share of the blocks, each of so many queries."""
        import torch

        device = self.vectors.device
        with torch.inference_mode():
            # What fills the last chunk up is never among the best.
            held = torch.full((rows, self._width), -torch.inf, device=device)
            for start in range(first * rows, len(self.queries), workers * rows):
                asked = _tensor(self.queries[start : start + rows], device)
                size = len(asked)
                asked = torch.nn.functional.pad(asked, (0, 0, 0, max(0, _LEAST_ROWS - size)))
                block = held[: len(asked)]
                torch.mm(asked, self.vectors.T, out=block[:, : len(self.vectors)])
                found, values = _best(block, self.places.shape[1])
                self.places[start : start + size] = found[:size].cpu().numpy()
                self.similar[start : start + size] = values[:size].cpu().numpy()


def _tensor(vectors: Floats, device: str | torch.device) -> Tensor:
    import torch

    # Of an array that may not be written torch warns; such a one is copied.
    return torch.from_numpy(np.require(vectors, np.float32, ["C", "W"])).to(device)


def _best(similar: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The places and the values of the `count` largest of each row.

    They lie in the `count` chunks of the largest maxima, because each of these holds at least
    one value; so most of a row is only looked at for its chunks' maxima.
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
