"""Topics as regions of the map, and how many of them there should be."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.sampling import evenly
from tasks.threads import one_thread

if TYPE_CHECKING:
    from tasks.topics.settings import ClusterSettings

CANDIDATES = (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26, 30, 35, 40, 50, 65, 80, 100)
TOLERANCE = 0.03
"""The fewest topics whose silhouette comes this near to the best are chosen."""
JUDGED = 4_000
"""Points on which numbers of topics are compared; the silhouette takes their square."""
_LEAST_FOR_TWO = 6

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Groups:
    """Points in groups: (n,) numbers from 0, (k, 2) centres, and how k was chosen."""

    labels: NDArray[np.int32]
    centres: Floats
    criterion: dict[str, Any] = field(default_factory=dict)


def group(points: Floats, settings: ClusterSettings) -> Groups:
    """Cut (n, 2) points into compact groups by k-means.

    Every point counts once, however many rows have its text: weighting by rows changes the
    topics no more than another seed does, and draws centres towards the commonest text.
    """
    with one_thread():
        count, criterion = _count(points, settings)
        labels, centres = _kmeans(points, count, settings.seed, tries=10)
    return Groups(labels, centres, criterion)


def _count(points: Floats, settings: ClusterSettings) -> tuple[int, dict[str, Any]]:
    distinct = len(np.unique(points, axis=0))
    if settings.topics != "auto":
        count = min(settings.topics, distinct)
        return count, {"rule": "as set", "asked": settings.topics, "chosen": count}
    values = {k: _quality(points, k, settings.seed) for k in candidates(distinct, settings)}
    rule = f"the fewest topics whose silhouette on the map is within {TOLERANCE} of the best"
    count = _fewest(values)
    return count, {
        "rule": rule,
        "silhouettes": {str(k): v for k, v in values.items()},
        "chosen": count,
    }


def candidates(points: int, settings: ClusterSettings) -> list[int]:
    """The numbers of topics that are tried for a number of points.

    At least about n^(1/4), since two topics say little of ten thousand texts, and at most the
    square root of n; empty where there are too few points to divide.
    """
    if points < _LEAST_FOR_TWO:
        return []
    least = max(2, round(points**0.25))
    most = min(settings.max_topics, max(2, math.isqrt(points)))
    return [k for k in CANDIDATES if least <= k <= most] or [most]


def _fewest(values: dict[int, float]) -> int:
    best = max(values.values(), default=0.0)
    return min((k for k, value in values.items() if value >= best - TOLERANCE), default=1)


def _quality(points: Floats, count: int, seed: int) -> float:
    some = points[evenly(len(points), JUDGED)]
    labels, _ = _kmeans(some, count, seed, tries=3)
    return silhouette(some, labels)


def _kmeans(points: Floats, count: int, seed: int, tries: int) -> tuple[NDArray[np.int32], Floats]:
    from sklearn.cluster import KMeans

    if count == 1:
        return np.zeros(len(points), np.int32), points.mean(axis=0, keepdims=True)
    model = KMeans(count, n_init=tries, random_state=seed).fit(points)
    return model.labels_.astype(np.int32), model.cluster_centers_.astype(np.float32)


def silhouette(points: Floats, labels: NDArray[np.int32], metric: str = "euclidean") -> float:
    """The mean silhouette (Rousseeuw 1987), from -1 to 1; 0 where there is but one group."""
    from sklearn.metrics import silhouette_score

    if not 1 < len(np.unique(labels)) < len(labels):
        return 0.0
    return round(float(silhouette_score(points, labels, metric=metric)), 4)


def strengths(points: Floats, groups: Groups) -> Floats:
    """How surely each point belongs to its group: 0 on the border, 1 in the centre.

    The simplified silhouette, 1 - a / b, of the distances to the own and the next centre.
    """
    if len(groups.centres) == 1:
        return np.ones(len(points), np.float32)
    gaps = [np.hypot(*(points - centre).T) for centre in groups.centres]
    distances = np.stack(gaps, axis=1)
    rows = np.arange(len(points))
    own = distances[rows, groups.labels]
    distances[rows, groups.labels] = np.inf
    other = np.maximum(distances.min(axis=1), 1e-9)
    return np.asarray(np.clip(1 - own / other, 0, 1).round(4), np.float32)
