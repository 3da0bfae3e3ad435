"""Names for topics by a language model, where one is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.topic_chain.naming.examples import central
from fusemine.tasks.mine.topic_chain.naming.subject import Subject
from fusemine.tasks.mine.topic_chain.naming.terms import numbered
from fusemine.tasks.mine.topic_chain.registry import MODEL, NO_TEXT_NAME, WORDS, State, Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusemine.tasks.mine.topic_chain.naming.subject import LlmNames
    from fusemine.tasks.text.distinct import Texts

    Namer = Callable[[Sequence[Subject]], LlmNames]


def call(state: State, texts: Texts, name: Namer) -> State:
    """The state with names from a model for the topics that have theirs from their words.

    A topic that the model gives no name keeps its own, and is asked about again after the next
    grouping.

    Args:
        state: The registry.
        texts: The distinct texts of the window.
        name: Asks the model.
    """
    asked = [topic for topic in state.alive if topic.named_by == WORDS]
    given = name(_subjects(state, asked, texts))
    names = {topic.topic: topic.name for topic in state.alive}
    topics: list[Topic] = []
    for topic, said in zip(asked, given.names, strict=True):
        if said is not None:
            others = [name for number, name in names.items() if number != topic.topic]
            names[topic.topic] = numbered(said, [NO_TEXT_NAME, *others])
            topics.append(replace(topic, name=names[topic.topic], named_by=MODEL))
    return replace(state, trouble=given.trouble).having(topics, [])


def _subjects(state: State, topics: Sequence[Topic], texts: Texts) -> list[Subject]:
    anchors = state.anchors
    assert anchors is not None  # noqa: S101  (topics have anchors)
    placed = anchors.place(texts.vectors).topics
    return [
        Subject(
            name=topic.name,
            terms=topic.terms,
            typical=tuple(
                texts.texts[place]
                for place in central(
                    texts, np.flatnonzero(placed == topic.topic), anchors.centre(topic.topic)
                )
            ),
            rows=topic.rows,
        )
        for topic in topics
    ]
