"""Grouping texts into topics, once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.topic_chain.grouping.graph import (
    Floats,
    Labels,
    Neighbours,
    by_size,
    neighbours_of,
)
from fusemine.tasks.mine.topic_chain.grouping.graph_clustering import by_graph
from fusemine.tasks.mine.topic_chain.grouping.methods import (
    Grouping,
    by_density,
    by_kmeans,
    by_ward,
)
from fusemine.tasks.stats.threads import one_thread

if TYPE_CHECKING:
    from fusemine.tasks.mine.topic_chain.settings import TopicsSettings

FEW = 50
"""Fewer vectors than this have no communities to speak of."""
SAMPLES, SHARE = 3, 0.8
"""Samples that are grouped again to see how stable the topics are, and their share of the texts."""


def fit(
    vectors: Floats,
    neighbours: Neighbours,
    settings: TopicsSettings,
    known: Labels | None = None,
    resolution: float | None = None,
    device: str = "cpu",
) -> Grouping:
    """Group texts into topics by their vectors.

    Args:
        vectors: (n, d) unit vectors, no two the same, n at least 1.
        neighbours: Their nearest others.
        settings: The method, and how many topics there are.
        known: (n,) the topic that each text is known by, -1 for none: what could be grouped
            either way stays as it was. Only communities heed it.
        resolution: That of the known topics, which communities keep if they can.
        device: Where torch computes k-means: cpu, cuda or cuda:N.

    Returns:
        Topics from 0 without gaps, the largest first, ties by the first text; with their
        stability where there are enough texts.
    """
    method = settings.method
    if method == "auto":
        method = "graph" if len(vectors) >= FEW else "agglomerative"
    # Sums on several threads differ in their last bits, and a tie may then fall otherwise.
    with one_thread():
        if method == "kmeans":
            found = by_kmeans(vectors, settings, device)
        elif method == "agglomerative":
            found = by_ward(vectors, neighbours, settings)
        elif method == "hdbscan":
            found = by_density(vectors, neighbours, settings)
        else:
            found = by_graph(vectors, neighbours, settings, known, resolution)
        stability = _stability(vectors, neighbours, found, known, settings.seed)
    return replace(found, labels=by_size(found.labels), stability=stability)


def _stability(
    vectors: Floats, neighbours: Neighbours, found: Grouping, known: Labels | None, seed: int
) -> float | None:
    """The mean adjusted Rand index between the topics and those of samples."""
    from sklearn.metrics import adjusted_rand_score

    size, draw = len(vectors), np.random.default_rng(seed)
    if size < FEW:
        return None
    values = []
    for _ in range(SAMPLES):
        some = np.sort(draw.choice(size, round(SHARE * size), replace=False))
        theirs = neighbours_of(vectors[some], neighbours.places.shape[1])
        # A sample keeps the choices of the whole, so that only the texts differ.
        again = found.regroup(vectors[some], theirs, None if known is None else known[some])
        values.append(adjusted_rand_score(found.labels[some], again))
    return round(float(np.mean(values)), 4)
