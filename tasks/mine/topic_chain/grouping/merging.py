"""Fewer groups from many: small ones join others, and the closest are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.topic_chain.grouping.graph import (
    Floats,
    Graph,
    Labels,
    by_size,
    centroids_of,
    links,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def without_small(graph: Graph, vectors: Floats, labels: Labels, least: int) -> Labels:
    """Let groups of fewer than `least` members join the one that they are most linked to.

    Where they are linked to none they join the one of the nearest centroid. If all are small,
    the largest one takes the others.
    """
    labels = by_size(labels)
    kept = max(1, int((np.bincount(labels) >= least).sum()))
    if kept == labels.max() + 1:
        return labels
    between = links(links(graph, labels).T.tocsr(), labels)[kept:, :kept].toarray()
    centroids = centroids_of(vectors, labels)
    joined = np.where(
        between.any(axis=1),
        between.argmax(axis=1),
        (centroids[kept:] @ centroids[:kept].T).argmax(axis=1),
    )
    goes = np.concatenate([np.arange(kept), joined])
    return by_size(goes[labels])


def closest_merged(vectors: Floats, labels: Labels, count: int) -> Labels:
    """Merge the closest of k groups until at most `count` are left."""
    centroids, sizes = centroids_of(vectors, labels), np.bincount(labels)
    return by_size(cut(ward(centroids, sizes), len(sizes), count)[labels])


def ward(centroids: NDArray[np.floating], sizes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Merge k groups, always the two whose union adds least to the sum of squares (Ward 1963).

    SciPy's linkage takes single points only; here a group weighs as much as it has members.

    Args:
        centroids: (k, d) their mean vectors.
        sizes: (k,) their numbers of members.

    Returns:
        (k - 1, 2) the groups that are merged in each step, numbered as SciPy does: those from k
        on are the unions in their order.
    """
    means, weights = centroids.astype(np.float64), sizes.astype(np.float64)
    names = np.arange(len(means))
    merges = np.empty((max(0, len(means) - 1), 2), np.int64)
    costs = np.array([_costs(means, weights, one) for one in range(len(means))])
    for step in range(len(merges)):
        # Rounded, so that ties do not depend on the last bits of a sum.
        one, other = sorted(divmod(int(np.round(costs, 12).argmin()), len(costs)))
        merges[step] = names[one], names[other]
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


def cut(merges: NDArray[np.integer], size: int, count: int) -> Labels:
    """The groups that are left of `size` single ones when `count` remain of them.

    Args:
        merges: (size - 1, 2) the merges as `ward` gives them.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    steps = max(0, size - count)
    nodes = size + steps
    unions = np.repeat(np.arange(size, nodes), 2)
    tree = csr_matrix((np.ones(2 * steps), (merges[:steps].ravel(), unions)), (nodes, nodes))
    _, labels = connected_components(tree, directed=False)
    found: Labels = labels[:size].astype(np.int32)
    return found
