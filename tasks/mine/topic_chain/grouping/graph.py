"""The graph of the texts: each is linked to the texts that it is most similar to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fusemine.tasks.text.neighbours import Places, nearest

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    Graph: TypeAlias = csr_matrix
else:
    Graph: TypeAlias = Any

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]
_ROUNDS = 3
"""Rounds in which texts without a group ask their neighbours for one."""


@dataclass(frozen=True)
class Near:
    """The nearest other vectors of n vectors, most similar first.

    Attributes:
        places: (n, k) their places among the n vectors.
        similar: (n, k) their cosine similarities.
    """

    places: Places
    similar: Floats

    def __len__(self) -> int:
        return len(self.places)


def near_of(vectors: Floats, count: int, device: str = "cpu") -> Near:
    """The `count` nearest others of each of (n, d) unit vectors, or n - 1 if that is fewer."""
    places, similar = nearest(vectors, vectors, count + 1, device)
    own = places == np.arange(len(vectors))[:, None]
    # Among many near copies the vector itself may be missing: then the last one goes instead.
    own[:, -1] |= ~own.any(axis=1)
    shape = (len(vectors), max(0, places.shape[1] - 1))
    return Near(places[~own].reshape(shape), similar[~own].reshape(shape))


def graph_of(near: Near) -> Graph:
    """The symmetric graph of n vectors, (n, n) float64.

    Two vectors are linked if either is among the nearest of the other, as strongly as they are
    similar; those whose cosine is not positive are not linked.
    """
    from scipy.sparse import csr_matrix

    size, count = near.places.shape
    weights = np.maximum(near.similar.astype(np.float64), 0).ravel()
    rows = np.repeat(np.arange(size), count)
    directed = csr_matrix((weights, (rows, near.places.ravel())), (size, size))
    graph = directed.maximum(directed.T).tocsr()
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def links(graph: Graph, labels: Labels) -> Graph:
    """The strengths of the links of nodes, rows of `graph`, to the k groups of all n, (rows, k)."""
    from scipy.sparse import csr_matrix

    size = len(labels)
    member = csr_matrix((np.ones(size), (np.arange(size), labels)), (size, labels.max() + 1))
    found = (graph @ member).tocsr()
    found.eliminate_zeros()
    return found


def adopted(graph: Graph, labels: Labels, alone: NDArray[np.bool_]) -> Labels:
    """Give nodes that are `alone` the group of the others that they are linked to most.

    Where they are linked to such as are alone themselves they are asked again once these have a
    group; without any link they keep their own.
    """
    from scipy.sparse import diags

    labels, alone = labels.copy(), alone.copy()
    for _ in range(_ROUNDS):
        settled = diags((~alone).astype(np.float64))
        theirs = links(graph[alone] @ settled, labels)
        linked = np.diff(theirs.indptr) > 0
        nodes = np.flatnonzero(alone)[linked]
        if not len(nodes):
            break
        labels[nodes] = np.asarray(theirs[linked].argmax(axis=1)).ravel()
        alone[nodes] = False
    return labels


def centroids_of(vectors: Floats, labels: Labels) -> NDArray[np.float64]:
    """The mean vector of each of k groups, (k, d)."""
    from scipy.sparse import csr_matrix

    size, count = len(labels), int(labels.max()) + 1
    member = csr_matrix((np.ones(size), (labels, np.arange(size))), (count, size))
    sums = np.asarray(member @ vectors.astype(np.float64))
    return sums / np.bincount(labels, minlength=count)[:, None]


def by_size(labels: NDArray[Any], weights: NDArray[Any] | None = None) -> Labels:
    """The same groups, numbered without gaps from the largest; ties by the first member.

    Args:
        labels: (n,) the groups.
        weights: (n,) what each member counts; 1 unless given.
    """
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    order = np.lexsort((first, -np.bincount(group, weights)))
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return number[group]
