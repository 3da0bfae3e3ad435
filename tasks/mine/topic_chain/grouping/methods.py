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
    Near,
    adopted,
    by_size,
    graph_of,
)
from fusemine.tasks.mine.topic_chain.grouping.kmeans import spherical
from fusemine.tasks.mine.topic_chain.grouping.layout import reduced
from fusemine.tasks.mine.topic_chain.grouping.merging import closest_merged, cut, without_small
from fusemine.tasks.mine.topic_chain.grouping.quality import silhouette

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fusemine.tasks.mine.topics.settings import TopicsSettings

CANDIDATES = (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26, 30, 35, 40, 50, 65, 80, 100, 140, 200)
TOLERANCE = 0.01
"""The fewest topics whose silhouette comes this near to the best are chosen."""
FULL = 500
"""Of so many vectors Ward's method looks at all pairs, of more at those that are linked."""
_LEAST_FOR_TWO = 6
_DIMENSIONS = 5


@dataclass(frozen=True)
class Division:
    """Vectors in groups.

    Attributes:
        labels: (n,) the groups.
        criterion: How their number was chosen, JSON-ready.
        method: How they were made, in words.
        again: Groups other vectors in the same way and with the same choices, from vectors, their
            neighbours and their known topics.
    """

    labels: Labels
    criterion: dict[str, Any]
    method: str
    again: Callable[[Floats, Near, Labels | None], Labels]


def by_kmeans(vectors: Floats, settings: TopicsSettings, device: str = "cpu") -> Division:
    """Spherical k-means; `auto` takes the number of groups by the silhouette."""

    def divide(vectors: Floats, count: int) -> Labels:
        return spherical(vectors, min(count, len(vectors)), settings.seed, device)

    count, criterion = _counted(vectors, settings, lambda count: divide(vectors, count))
    method = "spherical k-means on the vectors"
    labels = divide(vectors, count)
    # Directions may be fewer than vectors.
    criterion["chosen"] = len(np.unique(labels))
    return Division(labels, criterion, method, lambda others, *_: divide(others, count))


def by_ward(vectors: Floats, near: Near, settings: TopicsSettings) -> Division:
    """Ward's method along the graph of neighbours; `auto` takes the number by the silhouette."""
    merges = _tree(vectors, near)
    count, criterion = _counted(vectors, settings, lambda count: cut(merges, len(vectors), count))

    def again(vectors: Floats, near: Near, _: Labels | None) -> Labels:
        return cut(_tree(vectors, near), len(vectors), count)

    way = "of all pairs" if len(vectors) <= FULL else "along the graph of nearest neighbours"
    method = f"agglomerative clustering by Ward's method {way}"
    return Division(cut(merges, len(vectors), count), criterion, method, again)


def by_density(vectors: Floats, near: Near, settings: TopicsSettings) -> Division:
    """HDBSCAN (Campello, Moulavi and Sander 2013) on UMAP's first directions.

    What it calls noise joins the group of its neighbours. The number of groups follows from
    the smallest size of one; more than are asked for or allowed are merged.
    """
    most = settings.max_topics if settings.topics == "auto" else settings.topics

    def divide(vectors: Floats, near: Near, _: Labels | None) -> Labels:
        labels = _dense(reduced(vectors, near, _DIMENSIONS, settings.seed))
        graph, noise = graph_of(near), labels < 0
        # Noise that no link leads away from stays as groups of one, which are too small.
        labels[noise] = labels.max() + 1 + np.arange(noise.sum())
        labels = without_small(
            graph, vectors, adopted(graph, labels, noise), least_texts(len(vectors))
        )
        return closest_merged(vectors, labels, most)

    labels = divide(vectors, near, None)
    criterion = {
        "rule": f"HDBSCAN's own number; of more than {most} the closest are merged",
        "chosen": int(labels.max()) + 1,
    }
    method = f"HDBSCAN on {_DIMENSIONS} dimensions by UMAP"
    return Division(labels, criterion, method, divide)


def candidates(size: int, most: int) -> list[int]:
    """The numbers of topics that are tried for a number of vectors.

    At least about n^(1/4), since two topics say little of ten thousand texts, and at most the
    square root of n; only one where there are too few vectors to divide.
    """
    if size < _LEAST_FOR_TWO:
        return [1]
    least, limit = bounds(size, most)
    return [k for k in CANDIDATES if least <= k <= limit] or [limit]


def bounds(size: int, most: int) -> tuple[int, int]:
    """The fewest and the most topics that make sense of n vectors."""
    limit = min(most, max(2, math.isqrt(size)))
    return min(limit, max(2, round(size**0.25))), limit


def _counted(
    vectors: Floats, settings: TopicsSettings, divide: Callable[[int], Labels]
) -> tuple[int, dict[str, Any]]:
    if settings.topics != "auto":
        count = min(settings.topics, len(vectors))
        return count, as_set(settings.topics, count)
    values = {
        count: silhouette(vectors, divide(count))
        for count in candidates(len(vectors), settings.max_topics)
    }
    chosen = min(k for k, value in values.items() if value >= max(values.values()) - TOLERANCE)
    return chosen, {
        "rule": f"the fewest topics whose silhouette is within {TOLERANCE} of the best",
        "silhouettes": {str(count): value for count, value in values.items()},
        "chosen": chosen,
    }


def as_set(asked: int, chosen: int) -> dict[str, Any]:
    """The criterion where the number of topics is set."""
    return {"rule": "as set", "asked": asked, "chosen": chosen}


def _tree(vectors: Floats, near: Near) -> NDArray[np.int64]:
    """The merges of Ward's method, numbered as SciPy does."""
    from sklearn.cluster import ward_tree

    if len(vectors) == 1:
        return np.empty((0, 2), np.int64)
    links: Graph = None if len(vectors) <= FULL else graph_of(near)
    with warnings.catch_warnings():
        # A graph in parts is completed, which is what is wanted.
        warnings.filterwarnings("ignore", message="the number of connected components")
        children = ward_tree(vectors.astype(np.float64), connectivity=links)[0]
    return np.asarray(children, np.int64)


def least_texts(size: int) -> int:
    """The fewest texts that make a topic."""
    return max(3, round(math.sqrt(math.sqrt(size))))


def _dense(points: Floats) -> Labels:
    from sklearn.cluster import HDBSCAN

    least = max(5, round(math.sqrt(len(points)) / 4))
    if len(points) <= least:
        return np.zeros(len(points), np.int32)
    model = HDBSCAN(min_cluster_size=least, copy=True).fit(points.astype(np.float64))
    return by_size(model.labels_) if (model.labels_ < 0).all() else model.labels_.astype(np.int32)
