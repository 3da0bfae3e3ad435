"""The registry after a partition, from the registry before it and the partition's window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.topic_chain.drift import add_texts, refit_reason
from fusemine.tasks.mine.topic_chain.naming.examples import central
from fusemine.tasks.mine.topic_chain.naming.subject import LlmNames, Subject
from fusemine.tasks.mine.topic_chain.naming.terms import unique_name
from fusemine.tasks.mine.topic_chain.refit import refit
from fusemine.tasks.mine.topic_chain.registry import MODEL, NO_TEXT_NAME, WORDS

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from fusemine.tasks.mine.topic_chain.reference_texts import ReferenceTexts
    from fusemine.tasks.mine.topic_chain.registry import State, Topic
    from fusemine.tasks.mine.topic_chain.settings import TopicsSettings
    from fusemine.tasks.text.distinct import Texts

Namer = Callable[[Sequence[Subject]], LlmNames]
"""Asks a language model for the names of subjects."""


def advance(
    before: State,
    texts: Texts,
    window: Callable[[], Texts],
    partition: str,
    settings: TopicsSettings,
    namer: Namer | None = None,
    device: Callable[[], AbstractContextManager[str]] = lambda: nullcontext("cpu"),
) -> State:
    """Let a partition's texts join the known topics, and group all texts again where that is due.

    Args:
        before: The registry before the partition; an empty one at first.
        texts: The distinct texts of the rows that are new.
        window: Gives the distinct texts of the whole window, which are rarely needed.
        partition: The partition's key.
        settings: How texts are grouped, and when again.
        namer: Asks a language model for names, where one is set.
        device: Holds the device where torch computes, for as long as it does; names can take long.
    """
    state, reason = before, ""
    if before.references is not None:
        state = add_texts(before, before.references, texts, partition)
        reason = refit_reason(state, settings.refit, settings.outliers)
    due = bool(reason) or (before.references is None and len(texts) > 0)
    if due and len(window()):
        with device() as where:
            state = refit(state, window(), partition, settings, reason, where)
    if namer and state.references is not None and (due or before.trouble):
        state = name_topics(state, state.references, window(), namer)
    return state


def name_topics(state: State, references: ReferenceTexts, texts: Texts, namer: Namer) -> State:
    """The state with names from a language model for the topics that are named by their words.

    A topic that the model gives no name keeps its own, and is asked about again after the next
    grouping.

    Args:
        state: The registry.
        references: Its reference texts.
        texts: The distinct texts of the window.
        namer: Asks the model.
    """
    unnamed = [topic for topic in state.alive if topic.named_by == WORDS]
    assigned = references.assign(texts.vectors).topics
    found = namer([_subject(topic, references, texts, assigned) for topic in unnamed])
    names = {topic.topic: topic.name for topic in state.alive}
    topics: list[Topic] = []
    for topic, name in zip(unnamed, found.names, strict=True):
        if name is not None:
            others = [other for number, other in names.items() if number != topic.topic]
            names[topic.topic] = unique_name(name, [NO_TEXT_NAME, *others])
            topics.append(replace(topic, name=names[topic.topic], named_by=MODEL))
    return replace(state, trouble=found.trouble).updated(topics, [])


def _subject(
    topic: Topic, references: ReferenceTexts, texts: Texts, assigned: np.ndarray
) -> Subject:
    members = np.flatnonzero(assigned == topic.topic)
    nearest = central(texts, members, references.centre(topic.topic))
    return Subject(topic.terms, tuple(texts.texts[place] for place in nearest))
