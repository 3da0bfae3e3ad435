"""The graph of the texts: each is linked to the texts that it is most similar to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fusemine.tasks.text.neighbours import Places, nearest_neighbours

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    Graph: TypeAlias = csr_matrix
else:
    Graph: TypeAlias = Any

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]
_ROUNDS = 3
"""Rounds in which texts without a group take one from their neighbours."""


@dataclass(frozen=True)
class Neighbours:
    """The k nearest other vectors of n vectors, most similar first.

    Attributes:
        places: (n, k) their places among the n vectors.
        similar: (n, k) their cosine similarities.
    """

    places: Places
    similar: Floats

    def __len__(self) -> int:
        return len(self.places)


def neighbours_of(vectors: Floats, count: int, device: str = "cpu") -> Neighbours:
    """The `count` nearest others of each of (n, d) unit vectors, or n - 1 if that is fewer."""
    places, similar = nearest_neighbours(vectors, vectors, count + 1, device)
    own = places == np.arange(len(vectors))[:, None]
    # Among many near copies the vector itself may be missing: then the last one goes instead.
    own[:, -1] |= ~own.any(axis=1)
    shape = (len(vectors), max(0, places.shape[1] - 1))
    return Neighbours(places[~own].reshape(shape), similar[~own].reshape(shape))


def graph_of(neighbours: Neighbours) -> Graph:
    """The symmetric graph of n vectors, (n, n) float64.

    Two vectors are linked if either is among the nearest of the other, as strongly as they are
    similar; those whose cosine is not positive are not linked.
    """
    from scipy.sparse import csr_matrix

    size, count = neighbours.places.shape
    weights = np.maximum(neighbours.similar.astype(np.float64), 0).ravel()
    rows = np.repeat(np.arange(size), count)
    directed = csr_matrix((weights, (rows, neighbours.places.ravel())), (size, size))
    # A link that only one of its ends names counts in full.
    graph = directed.maximum(directed.T).tocsr()
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def link_strengths(graph: Graph, labels: Labels) -> Graph:
    """The summed links of nodes, rows of `graph`, to each of the k groups of all n, (rows, k)."""
    found = (graph @ _one_hot(labels).T).tocsr()
    found.eliminate_zeros()
    return found


def propagate_labels(graph: Graph, labels: Labels, unlabelled: NDArray[np.bool_]) -> Labels:
    """Give each unlabelled node the group that its links to labelled nodes are strongest to.

    A node that is linked to unlabelled ones only waits until these have a group; one without any
    link keeps its own.

    Args:
        graph: (n, n) weights.
        labels: (n,) the groups.
        unlabelled: (n,) the nodes whose group does not count.
    """
    from scipy.sparse import diags

    labels, unlabelled = labels.copy(), unlabelled.copy()
    for _ in range(_ROUNDS):
        labelled = diags((~unlabelled).astype(np.float64))
        strengths = link_strengths(graph[unlabelled] @ labelled, labels)
        linked = np.diff(strengths.indptr) > 0
        nodes = np.flatnonzero(unlabelled)[linked]
        if not len(nodes):
            break
        # All nodes of a round take their groups at once, so that their order does not matter.
        labels[nodes] = np.asarray(strengths[linked].argmax(axis=1)).ravel()
        unlabelled[nodes] = False
    return labels


def centroids_of(vectors: Floats, labels: Labels) -> NDArray[np.float64]:
    """The mean vector of each of k groups, (k, d)."""
    sums = np.asarray(_one_hot(labels) @ vectors.astype(np.float64))
    return sums / np.bincount(labels)[:, None]


def _one_hot(labels: Labels) -> Graph:
    """Which of n nodes is in which of k groups, (k, n)."""
    from scipy.sparse import csr_matrix

    size = len(labels)
    return csr_matrix((np.ones(size), (labels, np.arange(size))), (labels.max() + 1, size))


def by_size(labels: NDArray[Any], weights: NDArray[Any] | None = None) -> Labels:
    """The same groups, numbered without gaps from the largest; ties by the first member.

    Args:
        labels: (n,) the groups.
        weights: (n,) what each member counts; 1 unless given.

    >>> by_size(np.array([7, 3, 3, 5])).tolist()
    [1, 0, 0, 2]
    """
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    # Sorted by size, then by the place of the first member.
    order = np.lexsort((first, -np.bincount(group, weights)))
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return number[group]
