"""A new grouping of the texts of a window, and the known topics in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.topic_chain.grouping.fit import fit
from fusemine.tasks.mine.topic_chain.grouping.graph import neighbours_of
from fusemine.tasks.mine.topic_chain.grouping.layout import layout
from fusemine.tasks.mine.topic_chain.matching import Matching, match
from fusemine.tasks.mine.topic_chain.reference_texts import Assignments, ReferenceTexts, rounded
from fusemine.tasks.stats.sampling import evenly_spaced
from fusemine.tasks.text.distinct import Texts, distinct_vectors, take_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.grouping.methods import Grouping
    from fusemine.tasks.mine.topic_chain.registry import State
    from fusemine.tasks.mine.topic_chain.settings import TopicsSettings


SURE = 0.5
"""The share of votes from which on a text that joined a topic counts as one of its own."""
ENOUGH = 1_000
"""Texts from which on a grouping says how fine the next one is."""


@dataclass(frozen=True)
class Grouped:
    """A new grouping of the texts and what it was made from.

    Attributes:
        texts: The window's distinct texts.
        references: The grouped ones, with the numbers of their topics.
        grouping: The groups, and how they were found.
        matching: How the groups and the known topics belong together.
        numbers: The topic of each group.
        size: Distinct vectors that there were.
    """

    texts: Texts
    references: ReferenceTexts
    grouping: Grouping
    matching: Matching
    numbers: dict[int, int]
    size: int

    def texts_of(self, topic: int) -> int:
        """How many of the grouped texts have a topic."""
        return int((self.references.topics == topic).sum())


def group(state: State, texts: Texts, settings: TopicsSettings, device: str = "cpu") -> Grouped:
    """Group the distinct texts of a window, at most `settings.fit_texts` of them."""
    # Texts that the encoder cannot tell apart count once, or they would crowd a neighbourhood.
    first, _ = distinct_vectors(texts.vectors)
    vectors = take_rows(texts.vectors, first)
    vectors = take_rows(vectors, evenly_spaced(len(vectors), settings.fit_texts))
    neighbours = neighbours_of(vectors, settings.neighbours, device)
    before = state.references.assign(vectors) if state.references else None
    known = _known(before, state.fitted.bar, len(vectors))
    # That of the last grouping, once it was made of enough texts to go by.
    fitted = state.fitted
    resolution = fitted.criterion.get("resolution") if fitted.texts >= ENOUGH else None
    # What was known before holds borders, resolution and map where the texts leave them open.
    found = fit(vectors, neighbours, settings, known if before else None, resolution, device)
    start = before.coordinates if before else None
    coordinates = layout(vectors, neighbours, settings.seed, start)
    # The groups are named after the known topics that they are, or get the next free numbers.
    groups = ReferenceTexts(vectors, found.labels, coordinates)
    centres = {t.topic: state.references.centre(t.topic) for t in state.alive if state.references}
    matching = match(found.labels, known, groups.centres, centres)
    numbers = _numbers(state, matching, len(groups.centres))
    topics = np.array([numbers[g] for g in range(len(numbers))], np.int32)[found.labels]
    references = rounded(replace(groups, topics=topics))
    return Grouped(texts, references, found, matching, numbers, len(first))


def _known(before: Assignments | None, threshold: float, size: int) -> NDArray[np.int32]:
    """The topic that each text is known by; -1 for an outlier and for a text between topics, so
    that a new topic can gather its texts."""
    if before is None:
        return np.full(size, -1, np.int32)
    sure = (before.closeness >= threshold) & (before.strengths >= SURE)
    return np.where(before.known | sure, before.topics, -1).astype(np.int32)


def _numbers(state: State, matching: Matching, groups: int) -> dict[int, int]:
    """The number of each group: that of the known topic that it is, or the next free one."""
    same, free = matching.same, count(state.next_number)
    return {group: same[group] if group in same else next(free) for group in range(groups)}
