"""Themes: topics whose centres lie close to each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from fusemine.tasks.mine.topic_chain.grouping.graph import by_size
from fusemine.tasks.mine.topic_chain.grouping.merging import cut, ward

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.grouping.graph import Labels

FEW = 3
"""So many topics are a theme each."""


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
    topics = len(centres)
    if topics <= FEW and count == "auto":
        return np.arange(topics, dtype=np.int32)
    merges = ward(centres, sizes)
    if count != "auto":
        return by_size(cut(merges, topics, min(count, topics)), sizes)
    root = math.sqrt(topics)
    counts = range(math.ceil(root / 1.5), min(topics - 1, math.ceil(root * 1.5)) + 1)
    tried = [by_size(cut(merges, topics, k), sizes) for k in counts]
    values = [_silhouette(centres, labels) for labels in tried]
    return tried[int(np.argmax(values))]


def _silhouette(centres: NDArray[np.float32], labels: Labels) -> float:
    from sklearn.metrics import silhouette_score

    return round(float(silhouette_score(centres, labels, metric="cosine")), 6)
