"""Grouping texts into topics, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.topic_chain.grouping.graph import Floats, Labels, Near, by_size, near_of
from fusemine.tasks.mine.topic_chain.grouping.graph_clustering import by_graph
from fusemine.tasks.mine.topic_chain.grouping.methods import (
    Division,
    by_density,
    by_kmeans,
    by_ward,
)
from fusemine.tasks.stats.threads import one_thread

if TYPE_CHECKING:
    from fusemine.tasks.mine.topics.settings import TopicsSettings

FEW = 50
"""Fewer vectors than this have no communities to speak of."""
SAMPLES, SHARE = 3, 0.8
"""Samples that are grouped anew to see how stable the topics are, and their share of the texts."""


@dataclass(frozen=True)
class Fit:
    """Texts in topics.

    Attributes:
        labels: (n,) topics from 0 without gaps, the largest first; ties by the first text.
        criterion: The rule by which their number was chosen, what was tried and what was chosen,
            JSON-ready.
        method: How they were made, in words.
        stability: Mean adjusted Rand index between the topics and those of samples; None where
            there are too few texts.
    """

    labels: Labels
    criterion: dict[str, Any]
    method: str
    stability: float | None


def fit(
    vectors: Floats,
    near: Near,
    settings: TopicsSettings,
    before: Labels | None = None,
    kept: float | None = None,
    device: str = "cpu",
) -> Fit:
    """Group texts into topics by their vectors.

    Args:
        vectors: (n, d) unit vectors, no two the same, n at least 1.
        near: Their nearest others.
        settings: The method, and how many topics there are.
        before: (n,) the topic that each text is known by, -1 for none: what could be grouped
            either way stays as it was. Only communities heed it.
        kept: The resolution of the known topics, which communities keep if they can.
        device: Where torch computes k-means: cpu, cuda or cuda:N.
    """
    with one_thread():
        found = _divided(vectors, near, settings, before, kept, device)
        stability = _stability(vectors, near, found, before, settings.seed)
    return Fit(by_size(found.labels), found.criterion, found.method, stability)


def _divided(
    vectors: Floats,
    near: Near,
    settings: TopicsSettings,
    before: Labels | None,
    kept: float | None,
    device: str,
) -> Division:
    method = settings.method
    if method == "auto":
        method = "graph" if len(vectors) >= FEW else "agglomerative"
    if method == "kmeans":
        return by_kmeans(vectors, settings, device)
    if method == "agglomerative":
        return by_ward(vectors, near, settings)
    if method == "hdbscan":
        return by_density(vectors, near, settings)
    return by_graph(vectors, near, settings, before, kept)


def _stability(
    vectors: Floats, near: Near, found: Division, before: Labels | None, seed: int
) -> float | None:
    """The mean agreement of the topics with those of samples that are grouped anew."""
    from sklearn.metrics import adjusted_rand_score

    size, draw = len(vectors), np.random.default_rng(seed)
    if size < FEW:
        return None
    values = []
    for _ in range(SAMPLES):
        some = np.sort(draw.choice(size, round(SHARE * size), replace=False))
        theirs = near_of(vectors[some], near.places.shape[1])
        again = found.again(vectors[some], theirs, None if before is None else before[some])
        values.append(adjusted_rand_score(found.labels[some], again))
    return round(float(np.mean(values)), 4)
