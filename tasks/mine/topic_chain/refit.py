"""Grouping all texts of a window anew, and finding the known topics again in the result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.topic_chain.changes import changes
from fusemine.tasks.mine.topic_chain.grouped import Grouped, group
from fusemine.tasks.mine.topic_chain.naming.terms import IN_NAME, Term, topic_names, topic_terms
from fusemine.tasks.mine.topic_chain.reference_texts import outlier_bar
from fusemine.tasks.mine.topic_chain.registry import NO_TEXT_NAME, WORDS, Fitted, State, Topic
from fusemine.tasks.mine.topic_chain.themes import themes

if TYPE_CHECKING:
    from fusemine.tasks.mine.topic_chain.reference_texts import Anchors
    from fusemine.tasks.mine.topics.settings import TopicsSettings
    from fusemine.tasks.text.distinct import Texts


Topics = NDArray[np.int32]


def regroup(
    state: State,
    texts: Texts,
    partition: str,
    settings: TopicsSettings,
    why: str,
    device: str = "cpu",
) -> State:
    """The state after all texts of a window were grouped anew.

    A group that is a known topic keeps its number and its name; the others are born.

    Args:
        state: The registry before.
        texts: The distinct texts of the window, at least one.
        partition: The window's last partition.
        settings: How texts are grouped.
        why: What called for it.
        device: Where torch computes.
    """
    grouped = group(state, texts, settings, device)
    placed = grouped.anchors.place(texts.vectors)
    rows = np.bincount(placed.topics, weights=texts.rows).astype(int)
    terms = _terms(texts, placed.topics, grouped.anchors)
    topics = _topics(state, grouped, rows, terms, (partition, settings.themes))
    gone = _gone(state, grouped, partition)
    anchored = grouped.anchors.place(grouped.anchors.vectors)
    fitted = Fitted(
        partition=partition,
        texts=grouped.size,
        bar=round(outlier_bar(anchored.closeness, settings.outliers), 4),
        method=grouped.found.method,
        criterion=grouped.found.criterion,
        stability=grouped.found.stability,
    )
    after = replace(state, fitted=fitted, anchors=grouped.anchors)
    happened = changes(state, grouped, topics, gone, (partition, why))
    return after.having([*topics.values(), *gone], happened)


def _terms(texts: Texts, topics: Topics, anchors: Anchors) -> dict[int, list[Term]]:
    places = np.searchsorted(anchors.numbers, topics).astype(np.int32)
    found = topic_terms(texts.texts, texts.rows, places, len(anchors.numbers))
    return dict(zip(anchors.numbers.tolist(), found, strict=True))


def _topics(
    state: State,
    grouped: Grouped,
    rows: NDArray[np.int64],
    terms: dict[int, list[Term]],
    at: tuple[str, int | Literal["auto"]],
) -> dict[int, Topic]:
    """What is known of the topics that live after the grouping, by number."""
    anchors, (partition, count) = grouped.anchors, at
    given = _names(state, grouped, terms)
    themed = _themes(anchors, count)
    found = {}
    for number in anchors.numbers.tolist():
        similar = anchors.vectors[anchors.topics == number] @ anchors.centre(number)
        before = state.topics.get(number)
        kept = before is not None and before.name == given[number]
        listed = tuple(term.text for term in terms[number])
        found[number] = Topic(
            topic=number,
            name=given[number],
            named_by=before.named_by if before and kept else WORDS,
            theme=themed[number],
            born=before.born if before else partition,
            rows=int(rows[number]) if number < len(rows) else 0,
            closeness=round(float(similar.mean()), 4),
            spread=round(float(similar.std()), 4),
            terms=listed,
            named_for=before.named_for if before and kept else listed[:IN_NAME],
        )
    return found


def _names(state: State, grouped: Grouped, terms: dict[int, list[Term]]) -> dict[int, str]:
    """A known topic keeps its name while one of the name's terms is still among its terms."""
    kept = {
        number: state.topics[number].name
        for number in sorted(grouped.matching.same.values())
        if _still_says(state.topics[number], terms[number])
    }
    others = [number for number in terms if number not in kept]
    fallback = [_central_text(grouped, number) for number in others]
    taken = [NO_TEXT_NAME, *kept.values()]
    given = topic_names([terms[number] for number in others], fallback, taken)
    return kept | dict(zip(others, given, strict=True))


def _still_says(topic: Topic, terms: list[Term]) -> bool:
    """Whether what a topic was named for is still among its terms; a topic without any keeps it."""
    now, before = {term.text for term in terms}, set(topic.named_for)
    return not before or not now or bool(before & now)


def _central_text(grouped: Grouped, number: int) -> str:
    texts, centre = grouped.texts, grouped.anchors.centre(number)
    nearest = int(np.round(texts.vectors @ centre, 6).argmax())
    said = quote(texts.texts[nearest])
    return "".join(sign for sign in said if sign.isprintable())


def _themes(anchors: Anchors, count: int | Literal["auto"]) -> dict[int, int]:
    """The theme of each topic: the number of the topic in it that is known longest."""
    sizes = np.array([(anchors.topics == number).sum() for number in anchors.numbers])
    groups = themes(anchors.centres, sizes, count)
    numbers = anchors.numbers.tolist()
    eldest: dict[int, int] = {}
    for number, theme in zip(numbers, groups.tolist(), strict=True):
        eldest.setdefault(theme, number)
    return {n: eldest[theme] for n, theme in zip(numbers, groups.tolist(), strict=True)}


def _gone(state: State, grouped: Grouped, partition: str) -> list[Topic]:
    alive = set(grouped.numbers.values())
    into = {old: grouped.numbers[group] for old, group in grouped.matching.into.items()}
    return [
        replace(topic, gone=partition, into=into.get(topic.topic))
        for topic in state.alive
        if topic.topic not in alive
    ]
