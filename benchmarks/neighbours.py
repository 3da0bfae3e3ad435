"""Speed of the exact search for nearest neighbours against its peers, as a Markdown table.

    python benchmarks/neighbours.py                       # 20,000 vectors around 500 centres
    python benchmarks/neighbours.py --vectors FILE.npy    # (n, d) unit vectors of your own

All sides run in turn in each round, on all cores; medians are compared. Recall is the share of
scikit-learn's neighbours that a side finds too; near ties within four millionths may differ.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from fusemine.tasks.text.neighbours import nearest_neighbours

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = NDArray[np.float32]
Places = NDArray[np.int64]
PEER = "scikit-learn, brute"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, help="an array of unit vectors, float32")
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--count", type=int, default=15, help="neighbours of each vector")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    given = np.load(options.vectors) if options.vectors else drawn(options.size)
    vectors = np.ascontiguousarray(given[: options.size], np.float32)
    size, width = vectors.shape
    print(f"{size:,} x {width}, {options.count} neighbours, {os.cpu_count()} cores\n")
    compare(vectors, options.count, options.rounds)


def drawn(size: int) -> Floats:
    """Unit vectors around 500 centres, as texts lie around their subjects."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(500, 384))
    vectors = centres[draw.integers(0, 500, size)] + draw.normal(size=(size, 384))
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def compare(vectors: Floats, count: int, rounds: int) -> None:
    sides = ways(count)
    found: dict[str, Places] = {}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side(vectors[:200])  # warm-up
    for _ in range(rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            found[name] = side(vectors)
            seconds[name].append(time.perf_counter() - started)
    base = statistics.median(seconds[PEER])
    print("| way | seconds | times as fast | recall |\n|---|---:|---:|---:|")
    for name, times in seconds.items():
        took = statistics.median(times)
        share = recall(found[name], found[PEER])
        print(f"| {name} | {took:.2f} | {base / took:.1f} | {share:.5f} |")


def ways(count: int) -> dict[str, Callable[[Floats], Places]]:
    sides = {
        "fusemine": lambda vectors: nearest_neighbours(vectors, vectors, count)[0],
        PEER: lambda vectors: brute(vectors, count),
    }
    if find_spec("faiss") is None:
        print("faiss is not installed\n")
        return sides
    return sides | {"faiss, IndexFlatIP": lambda vectors: flat(vectors, count)}


def brute(vectors: Floats, count: int) -> Places:
    search = NearestNeighbors(algorithm="brute", metric="cosine").fit(vectors)
    return np.asarray(search.kneighbors(vectors, count, return_distance=False), np.int64)


def flat(vectors: Floats, count: int) -> Places:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return np.asarray(index.search(vectors, count)[1], np.int64)


def recall(found: Places, true: Places) -> float:
    return float((found[:, :, None] == true[:, None, :]).any(axis=1).mean())


if __name__ == "__main__":
    main()
