"""Texts that stand for a topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.stats.sampling import evenly_spaced
from fusemine.tasks.text.words import terms, without_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.text.distinct import Texts

SHOWN = 5
"""Texts that stand for a topic, at most."""
READ = 2_000
"""Texts of a topic that are read for its terms; of more, an even sample."""


def central(texts: Texts, members: NDArray[np.intp], centre: NDArray[np.float32]) -> list[int]:
    """The members nearest to a topic's centre, of near-copies only the first, at most `SHOWN`.

    Args:
        texts: All texts.
        members: (m,) the places of the topic's texts among them.
        centre: (d,) the topic's mean direction, of length 1.
    """
    closeness = np.round(texts.vectors[members] @ centre, 6)
    return _distinct(texts, members[np.argsort(-closeness, kind="stable")])


def typical(
    texts: Texts, members: NDArray[np.intp], centre: NDArray[np.float32], listed: Sequence[str]
) -> list[int]:
    """The members that have most of a topic's terms, at most `SHOWN`; better terms count more.

    Of those that have the same terms the nearest to the centre comes first. The arguments are
    those of `central`, and `listed`, the topic's terms.
    """
    read = members[evenly_spaced(len(members), READ)]
    # The n-th term counts one n-th: the first terms make the topic.
    weights = {term: 1 / place for place, term in enumerate(listed, start=1)}
    scores = [_score(texts.texts[m], weights) for m in read]
    closeness = np.round(texts.vectors[read] @ centre, 6)
    return _distinct(texts, read[np.lexsort((-closeness, -np.array(scores)))])


def _score(text: str, weights: dict[str, float]) -> float:
    # Summed in the order of the weights: that of a set differs from process to process.
    found = set(terms(text))
    return sum(weight for term, weight in weights.items() if term in found)


def _distinct(texts: Texts, ordered: NDArray[np.intp]) -> list[int]:
    best: dict[str, int] = {}
    for text in ordered.tolist():
        best.setdefault(without_noise(texts.texts[text]), text)
        if len(best) == SHOWN:
            break
    return list(best.values())
