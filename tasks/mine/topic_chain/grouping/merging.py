"""Fewer groups from many: small ones join others, the closest are merged, topics form themes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from fusemine.tasks.mine.topic_chain.grouping.graph import (
    Floats,
    Graph,
    Labels,
    by_size,
    centroids_of,
    link_strengths,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 3
"""So many topics are a theme each."""


def merge_small(graph: Graph, vectors: Floats, labels: Labels, least: int) -> Labels:
    """Let groups of fewer than `least` members join the one that they are most linked to.

    Where they are linked to none they join the one of the nearest centroid. If all are small,
    the largest one takes the others.

    Args:
        graph: (n, n) weights.
        vectors: (n, d) unit vectors.
        labels: (n,) the groups.
        least: The members that a group must have.
    """
    labels = by_size(labels)
    kept = max(1, int((np.bincount(labels) >= least).sum()))
    if kept == labels.max() + 1:
        return labels
    between = link_strengths(link_strengths(graph, labels).T.tocsr(), labels)
    between = between[kept:, :kept].toarray()
    centroids = centroids_of(vectors, labels)
    nearest = (centroids[kept:] @ centroids[:kept].T).argmax(axis=1)
    joined = np.where(between.any(axis=1), between.argmax(axis=1), nearest)
    return by_size(np.concatenate([np.arange(kept), joined])[labels])


def merge_closest(vectors: Floats, labels: Labels, count: int) -> Labels:
    """Merge the closest of k groups of (n, d) vectors until at most `count` are left."""
    centroids, sizes = centroids_of(vectors, labels), np.bincount(labels)
    return by_size(cut_tree(ward(centroids, sizes), len(sizes), count)[labels])


def ward(centroids: NDArray[np.floating], sizes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Merge k groups, always the two whose union adds least to the sum of squares (Ward 1963).

    SciPy's linkage takes single points only; here a group weighs as much as it has members.

    Args:
        centroids: (k, d) their mean vectors.
        sizes: (k,) their numbers of members.

    Returns:
        (k - 1, 2) the groups that are merged in each step, numbered as SciPy does: those from k
        on are the unions in their order.

    >>> ward(np.array([[0.0], [5.0], [0.1]]), np.ones(3, int)).tolist()
    [[0, 2], [3, 1]]
    """
    means, weights = centroids.astype(np.float64), sizes.astype(np.float64)
    names = np.arange(len(means))
    merges = np.empty((max(0, len(means) - 1), 2), np.int64)
    costs = np.array([_costs(means, weights, one) for one in range(len(means))])
    for step in range(len(merges)):
        # Rounded, so that ties do not depend on the last bits of a sum.
        one, other = sorted(divmod(int(np.round(costs, 12).argmin()), len(costs)))
        merges[step] = names[one], names[other]
        # The union takes the place of the one; the other costs infinitely much from now on.
        total = weights[one] + weights[other]
        means[one] = (weights[one] * means[one] + weights[other] * means[other]) / total
        weights[one], names[one] = total, len(names) + step
        weights[other], costs[other], costs[:, other] = np.inf, np.inf, np.inf
        costs[one] = costs[:, one] = _costs(means, weights, one)
    return merges


def _costs(
    means: NDArray[np.float64], weights: NDArray[np.float64], one: int
) -> NDArray[np.float64]:
    """What a union of one group with each other would add; infinite for itself and the merged."""
    left = np.isfinite(weights)
    costs = np.full(len(means), np.inf)
    apart = np.square(means[left] - means[one]).sum(axis=1)
    costs[left] = apart * weights[left] * weights[one] / (weights[left] + weights[one])
    costs[one] = np.inf
    return costs


def cut_tree(merges: NDArray[np.integer], size: int, count: int) -> Labels:
    """The groups that are left of `size` single ones when `count` remain of them.

    Args:
        merges: (size - 1, 2) the merges as `ward` gives them.
        size: How many there were.
        count: How many remain.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    # SciPy's `cut_tree` needs heights and takes the square of the size; here a node is a group or
    # a union, linked to what it is made of, and what is connected is one group.
    steps = max(0, size - count)
    nodes = size + steps
    unions = np.repeat(np.arange(size, nodes), 2)
    tree = csr_matrix((np.ones(2 * steps), (merges[:steps].ravel(), unions)), (nodes, nodes))
    _, labels = connected_components(tree, directed=False)
    found: Labels = labels[:size].astype(np.int32)
    return found


def themes(
    centres: NDArray[np.float32], sizes: NDArray[np.integer], count: int | Literal["auto"]
) -> Labels:
    """Put topics together in themes by Ward's method on their centres, weighted by their sizes.

    `auto` takes the number of themes, from two thirds of the square root of the topics to half
    as many again, with the largest silhouette of the centres; of equal ones the smallest. With
    less than that it would nearly always be two.

    Args:
        centres: (k, d) unit centres of the topics.
        sizes: (k,) the texts of each.
        count: How many themes.

    Returns:
        (k,) themes from 0, that of the most texts first; ties by the first topic.
    """
    from sklearn.metrics import silhouette_score

    topics = len(centres)
    if topics <= FEW and count == "auto":
        return np.arange(topics, dtype=np.int32)
    merges = ward(centres, sizes)
    if count != "auto":
        return by_size(cut_tree(merges, topics, min(count, topics)), sizes)
    root = math.sqrt(topics)
    counts = range(math.ceil(root / 1.5), min(topics - 1, math.ceil(root * 1.5)) + 1)
    tried = [by_size(cut_tree(merges, topics, k), sizes) for k in counts]
    values = [round(float(silhouette_score(centres, t, metric="cosine")), 6) for t in tried]
    return tried[int(np.argmax(values))]
