"""A new grouping of the texts of a window, and the known topics in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.topic_chain.grouping.fit import fit
from fusemine.tasks.mine.topic_chain.grouping.graph import near_of
from fusemine.tasks.mine.topic_chain.grouping.layout import layout
from fusemine.tasks.mine.topic_chain.matching import Matching, match
from fusemine.tasks.mine.topic_chain.reference_texts import Anchors, Placed, rounded
from fusemine.tasks.stats.sampling import evenly
from fusemine.tasks.text.distinct import Texts, chosen, same_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.grouping.fit import Fit
    from fusemine.tasks.mine.topic_chain.registry import State
    from fusemine.tasks.mine.topics.settings import TopicsSettings


SURE = 0.5
"""The share of votes from which on a text that joined a topic counts as one of its own."""
ENOUGH = 1_000
"""Texts from which on a grouping says how fine the next one is."""


@dataclass(frozen=True)
class Grouped:
    """A new grouping of the texts and what it was made from.

    Attributes:
        texts: The window's distinct texts.
        anchors: The grouped ones, `topics` in it being the topics' numbers.
        found: The grouping itself.
        matching: How its groups and the known topics belong together.
        numbers: The topic of each group.
        size: Distinct vectors that there were.
    """

    texts: Texts
    anchors: Anchors
    found: Fit
    matching: Matching
    numbers: dict[int, int]
    size: int


def group(state: State, texts: Texts, settings: TopicsSettings, device: str = "cpu") -> Grouped:
    """Group the distinct texts of a window, at most `settings.fit_texts` of them."""
    first, _ = same_vectors(texts.vectors)
    vectors = chosen(texts.vectors, first)
    vectors = chosen(vectors, evenly(len(vectors), settings.fit_texts))
    near = near_of(vectors, settings.neighbours, device)
    before = state.anchors.place(vectors) if state.anchors else None
    known = _known(before, state.fitted.bar, len(vectors))
    found = fit(vectors, near, settings, known if before else None, _kept(state), device)
    places = layout(vectors, near, settings.seed, before.places if before else None)
    groups = Anchors(vectors, found.labels, places)
    centres = {t.topic: state.anchors.centre(t.topic) for t in state.alive if state.anchors}
    matching = match(found.labels, known, groups.centres, centres)
    numbers = _numbers(state, matching, len(groups.centres))
    topics = np.array([numbers[g] for g in range(len(numbers))], np.int32)[found.labels]
    anchors = rounded(replace(groups, topics=topics))
    return Grouped(texts, anchors, found, matching, numbers, len(first))


def _known(before: Placed | None, bar: float, size: int) -> NDArray[np.int32]:
    """The topic that each text is known by; none for a text that is like no topic's or between
    several, so that a new topic can gather its texts."""
    if before is None:
        return np.full(size, -1, np.int32)
    sure = (before.closeness >= bar) & (before.strengths >= SURE)
    return np.where(before.known | sure, before.topics, -1).astype(np.int32)


def _kept(state: State) -> float | None:
    """The resolution of the last grouping, once it was made of enough texts to go by."""
    found: float | None = state.fitted.criterion.get("resolution")
    return found if state.fitted.texts >= ENOUGH else None


def _numbers(state: State, matching: Matching, groups: int) -> dict[int, int]:
    """The number of each group: that of the known topic that it is, or the next free one."""
    free = iter(range(state.next_number, state.next_number + groups))
    return {group: matching.same.get(group, -1) for group in range(groups)} | {
        group: next(free) for group in range(groups) if group not in matching.same
    }
