"""Ways to group vectors other than by communities: k-means, HDBSCAN, Ward's method."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.topic_chain.grouping.graph import (
    Floats,
    Graph,
    Labels,
    Neighbours,
    by_size,
    graph_of,
    propagate_labels,
)
from fusemine.tasks.mine.topic_chain.grouping.kmeans import spherical_kmeans
from fusemine.tasks.mine.topic_chain.grouping.layout import reduce_dimensions
from fusemine.tasks.mine.topic_chain.grouping.merging import cut_tree, merge_closest, merge_small
from fusemine.tasks.mine.topic_chain.grouping.quality import silhouette

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.settings import TopicsSettings

CANDIDATES = (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26, 30, 35, 40, 50, 65, 80, 100, 140, 200)
TOLERANCE = 0.01
"""The fewest topics whose silhouette comes this near to the best are chosen."""
FULL = 500
"""Of so many vectors Ward's method takes all pairs, of more those that are linked."""
_LEAST_FOR_TWO = 6
_DIMENSIONS = 5


@dataclass(frozen=True)
class Grouping:
    """Vectors in groups.

    Attributes:
        labels: (n,) the groups.
        criterion: The rule by which their number was chosen, what was tried and what was chosen,
            JSON-ready.
        method: How they were made, in words.
        regroup: Groups other vectors in the same way and with the same choices, from vectors,
            their neighbours and their known topics.
        stability: Mean adjusted Rand index between the groups and those of samples; None where
            it was not measured.
    """

    labels: Labels
    criterion: dict[str, Any]
    method: str
    regroup: Callable[[Floats, Neighbours, Labels | None], Labels]
    stability: float | None = None


def by_kmeans(vectors: Floats, settings: TopicsSettings, device: str = "cpu") -> Grouping:
    """Spherical k-means; `auto` takes the number of groups by the silhouette.

    Args:
        vectors: (n, d) unit vectors.
        settings: How many groups there are.
        device: Where torch computes: cpu, cuda or cuda:N.
    """

    def divide(vectors: Floats, count: int) -> Labels:
        return spherical_kmeans(vectors, min(count, len(vectors)), settings.seed, device)

    count, criterion = _chosen_count(vectors, settings, lambda count: divide(vectors, count))
    method = "spherical k-means on the vectors"
    labels = divide(vectors, count)
    # Directions may be fewer than vectors.
    criterion["chosen"] = len(np.unique(labels))
    return Grouping(labels, criterion, method, lambda others, *_: divide(others, count))


def by_ward(vectors: Floats, neighbours: Neighbours, settings: TopicsSettings) -> Grouping:
    """Ward's method along the graph of neighbours; `auto` takes the number by the silhouette.

    Args:
        vectors: (n, d) unit vectors.
        neighbours: Their nearest others.
        settings: How many groups there are.
    """
    merges, size = _ward_tree(vectors, neighbours), len(vectors)
    count, criterion = _chosen_count(vectors, settings, lambda count: cut_tree(merges, size, count))

    def regroup(vectors: Floats, neighbours: Neighbours, _: Labels | None) -> Labels:
        return cut_tree(_ward_tree(vectors, neighbours), len(vectors), count)

    way = "of all pairs" if size <= FULL else "along the graph of nearest neighbours"
    method = f"agglomerative clustering by Ward's method {way}"
    return Grouping(cut_tree(merges, size, count), criterion, method, regroup)


def by_density(vectors: Floats, neighbours: Neighbours, settings: TopicsSettings) -> Grouping:
    """HDBSCAN (Campello, Moulavi and Sander 2013) on UMAP's first directions.

    What it calls noise joins the group of its neighbours. The number of groups follows from
    the smallest size of one; more than are set or allowed are merged.

    Args:
        vectors: (n, d) unit vectors.
        neighbours: Their nearest others.
        settings: How many groups there are.
    """
    most = settings.max_topics if settings.topics == "auto" else settings.topics

    def divide(vectors: Floats, neighbours: Neighbours, _: Labels | None) -> Labels:
        labels = _hdbscan(reduce_dimensions(vectors, neighbours, _DIMENSIONS, settings.seed))
        graph, noise = graph_of(neighbours), labels < 0
        # Noise that no link leads away from stays as groups of one, which are too small.
        labels[noise] = labels.max() + 1 + np.arange(noise.sum())
        labels = propagate_labels(graph, labels, noise)
        labels = merge_small(graph, vectors, labels, min_topic_size(len(vectors)))
        return merge_closest(vectors, labels, most)

    labels = divide(vectors, neighbours, None)
    criterion = {
        "rule": f"HDBSCAN's own number; of more than {most} the closest are merged",
        "chosen": int(labels.max()) + 1,
    }
    method = f"HDBSCAN on {_DIMENSIONS} dimensions by UMAP"
    return Grouping(labels, criterion, method, divide)


def candidate_counts(size: int, most: int) -> list[int]:
    """The numbers of topics that are tried for a number of vectors, within `count_bounds`.

    Only one where there are too few vectors to divide.
    """
    if size < _LEAST_FOR_TWO:
        return [1]
    least, limit = count_bounds(size, most)
    return [k for k in CANDIDATES if least <= k <= limit] or [limit]


def count_bounds(size: int, most: int) -> tuple[int, int]:
    """The fewest and the most topics that make sense of n vectors.

    At least about n^(1/4), since two topics mean little for ten thousand texts, and at most the
    square root of n.

    >>> count_bounds(10_000, 50)
    (10, 50)
    """
    limit = min(most, max(2, math.isqrt(size)))
    return min(limit, max(2, round(size**0.25))), limit


def _chosen_count(
    vectors: Floats, settings: TopicsSettings, divide: Callable[[int], Labels]
) -> tuple[int, dict[str, Any]]:
    if settings.topics != "auto":
        count = min(settings.topics, len(vectors))
        return count, fixed_count(settings.topics, count)
    # Each number of topics is tried, and the silhouette compares them.
    values = {
        count: silhouette(vectors, divide(count))
        for count in candidate_counts(len(vectors), settings.max_topics)
    }
    chosen = min(k for k, value in values.items() if value >= max(values.values()) - TOLERANCE)
    return chosen, {
        "rule": f"the fewest topics whose silhouette is within {TOLERANCE} of the best",
        "silhouettes": {str(count): value for count, value in values.items()},
        "chosen": chosen,
    }


def fixed_count(asked: int, chosen: int) -> dict[str, Any]:
    """The criterion where the number of topics is set."""
    return {"rule": "as set", "asked": asked, "chosen": chosen}


def _ward_tree(vectors: Floats, neighbours: Neighbours) -> NDArray[np.int64]:
    """The merges of Ward's method, numbered as SciPy does."""
    from sklearn.cluster import ward_tree

    if len(vectors) == 1:
        return np.empty((0, 2), np.int64)
    # All pairs take the square of the texts in memory.
    links: Graph = None if len(vectors) <= FULL else graph_of(neighbours)
    with warnings.catch_warnings():
        # A graph in parts is completed, which is what is wanted.
        warnings.filterwarnings("ignore", message="the number of connected components")
        children = ward_tree(vectors.astype(np.float64), connectivity=links)[0]
    return np.asarray(children, np.int64)


def min_topic_size(size: int) -> int:
    """The fewest of n texts that make a topic."""
    return max(3, round(math.sqrt(math.sqrt(size))))


def _hdbscan(points: Floats) -> Labels:
    from sklearn.cluster import HDBSCAN

    least = max(5, round(math.sqrt(len(points)) / 4))
    if len(points) <= least:
        return np.zeros(len(points), np.int32)
    model = HDBSCAN(min_cluster_size=least, copy=True).fit(points.astype(np.float64))
    return by_size(model.labels_) if (model.labels_ < 0).all() else model.labels_.astype(np.int32)
