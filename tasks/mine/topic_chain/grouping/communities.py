"""Communities of a graph that hardly depend on the random numbers they are sought with."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.topic_chain.grouping.graph import Graph, Labels, propagate_labels

if TYPE_CHECKING:
    from collections.abc import Iterable

_ITERATIONS = 2
"""Iterations of one search; a third one finds next to nothing better."""
_DOUBT = 0.5
"""Links whose ends fewer searches keep together than this share are cut."""
_FINAL = 10
"""Searches for the communities that are agreed on, of which the best is taken."""


def leiden(graph: Graph, resolution: float, seed: int, trials: int = 1) -> Labels:
    """The communities of n nodes by the Leiden algorithm (Traag, Waltman and van Eck 2019).

    They maximise modularity with a resolution (Reichardt and Bornholdt 2006): the higher it is,
    the more and the smaller they are. A node without links is a community of its own.

    Args:
        graph: (n, n) symmetric weights, all positive.
        resolution: Above 0.
        seed: Of the order in which nodes are visited.
        trials: Searches, of which the one with the highest modularity is taken.

    Returns:
        (n,) the community of each node.
    """
    import graspologic_native

    size = graph.shape[0]
    if not graph.nnz:
        return np.arange(size, dtype=np.int32)
    _, found = graspologic_native.leiden_csr(
        graph.indptr.astype(np.int64),
        graph.indices.astype(np.int32),
        graph.data.astype(np.float64),
        size,
        resolution=resolution,
        iterations=_ITERATIONS,
        seed=seed,
        trials=trials,
    )
    return np.fromiter((found[node] for node in range(size)), np.int32, size)


def searches(graph: Graph, resolution: float, seeds: Iterable[int]) -> list[Labels]:
    """The communities (n,) that `leiden` finds from each seed; the searches share all cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda seed: leiden(graph, resolution, seed), seeds))


def mean_rand_index(found: list[Labels]) -> float:
    """The mean adjusted Rand index (Hubert and Arabie 1985) of all pairs of groupings (n,)."""
    from sklearn.metrics import adjusted_rand_score

    return float(np.mean([adjusted_rand_score(a, b) for a, b in combinations(found, 2)]))


def consensus(graph: Graph, resolution: float, seeds: Iterable[int]) -> Labels:
    """The communities on which searches from several seeds agree.

    In the manner of Lancichinetti and Fortunato (2012), on the graph's own links: each counts as
    much as the share of searches that keep its ends together, doubtful ones are cut, and
    the communities of what remains are sought once more. Nodes that lose all their links go
    with the majority of their neighbours.

    Args:
        graph: (n, n) symmetric weights, all positive.
        resolution: As `leiden` takes it.
        seeds: Of the searches.

    Returns:
        (n,) the community of each node.
    """
    from scipy.sparse import csr_matrix

    # Row and column of each link, in the order of the graph's data.
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    found = searches(graph, resolution, seeds)
    share = sum((one[rows] == one[graph.indices]).astype(np.float64) for one in found) / len(found)
    weights = np.where(share < _DOUBT, 0, graph.data * share)
    agreed = csr_matrix((weights, graph.indices, graph.indptr), graph.shape, copy=True)
    agreed.eliminate_zeros()
    # Of the graph that is agreed on, one seed is as good as another.
    labels = leiden(agreed, resolution, 0, _FINAL)
    return propagate_labels(graph, labels, np.diff(agreed.indptr) == 0)
