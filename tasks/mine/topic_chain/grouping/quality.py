"""How good topics are: how far apart, how coherent, how different, and whether a label agrees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.stats.sampling import evenly_spaced
from fusemine.tasks.text.words import terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

SILHOUETTE_SAMPLE = 4_000
"""Vectors that the silhouette is computed from; it takes the square of their number."""
READ = 20_000
"""Texts that are read for how often terms come together; of more, an even sample."""
MOST_CLASSES = 50
"""A label with more values has no classes that topics could agree with."""


def silhouette(
    points: NDArray[np.float32], labels: NDArray[np.int32], metric: str = "cosine"
) -> float:
    """The mean silhouette (Rousseeuw 1987), from -1 to 1; 0 where there is but one group.

    Args:
        points: (n, d) vectors or coordinates; of many, an even sample is used.
        labels: (n,) their groups.
        metric: Distance between points, as scikit-learn names it.
    """
    from sklearn.metrics import silhouette_score

    some = evenly_spaced(len(points), SILHOUETTE_SAMPLE)
    if not 1 < len(np.unique(labels[some])) < len(some):
        return 0.0
    return round(float(silhouette_score(points[some], labels[some], metric=metric)), 4)


def coherence(texts: Sequence[str], listed: Sequence[Sequence[str]]) -> list[float | None]:
    """How often the terms of each topic come together in texts, from -1 to 1.

    The mean normalised pointwise mutual information (Bouma 2009) of all pairs of a topic's
    terms, counted over texts: 0 is chance, 1 means that they never come apart. Pairs of which one
    holds the other are left out. None where fewer than two terms are left.

    Args:
        texts: n distinct texts.
        listed: The terms of each topic, best first.

    >>> coherence(["gear fell", "gear fell", "gull"], [["gear", "fell"], ["gear", "gull"]])
    [1.0, -1.0]
    """
    wanted = {term for terms_of in listed for term in terms_of}
    chosen = evenly_spaced(len(texts), READ)
    having: dict[str, list[int]] = {term: [] for term in wanted}
    for number, place in enumerate(chosen.tolist()):
        for term in wanted.intersection(terms(texts[place])):
            having[term].append(number)
    # Sorted places of the texts with each term, which intersect quickly.
    rows = {term: np.array(found, np.int64) for term, found in having.items()}
    return [_coherence(list(terms_of), rows, len(chosen)) for terms_of in listed]


def _coherence(listed: list[str], rows: dict[str, NDArray[np.int64]], texts: int) -> float | None:
    # A term that holds another one always comes with it.
    values = [
        _npmi(rows[one], rows[other], texts)
        for place, one in enumerate(listed)
        for other in listed[:place]
        if one not in other and other not in one
    ]
    return round(float(np.mean(values)), 4) if values else None


def _npmi(one: NDArray[np.int64], other: NDArray[np.int64], texts: int) -> float:
    both = len(np.intersect1d(one, other, assume_unique=True))
    if not both:
        return -1.0
    if both == texts:
        return 1.0
    return math.log(both * texts / (len(one) * len(other))) / -math.log(both / texts)


def diversity(listed: Sequence[Sequence[str]]) -> float | None:
    """The share of distinct terms among all that are listed (Dieng, Ruiz and Blei 2020).

    >>> diversity([["gear", "fell"], ["gull", "gear"]])
    0.75
    """
    every = [term for terms_of in listed for term in terms_of]
    return round(len(set(every)) / len(every), 4) if every else None


def agreement(labels: pl.Series, topics: NDArray[np.int32]) -> dict[str, Any] | None:
    """How far topics and a label's classes agree, by v-measure and adjusted Rand index.

    Args:
        labels: The label of n rows.
        topics: (n,) their topics, below 0 for none. Rows without a topic or label are left out.

    Returns:
        The scores, JSON-ready; None where the label has no classes.
    """
    from sklearn.metrics import adjusted_rand_score, v_measure_score

    chosen = (topics >= 0) & labels.is_not_null().to_numpy()
    known = labels.filter(chosen)
    if not 2 <= known.n_unique() <= MOST_CLASSES:
        return None
    classes = known.to_physical().to_numpy() if known.dtype.is_numeric() else known.to_list()
    found = topics[chosen]
    return {
        "v_measure": round(float(v_measure_score(classes, found)), 4),
        "ari": round(float(adjusted_rand_score(classes, found)), 4),
        "column": "label",
    }
