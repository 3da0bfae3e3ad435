"""Grouping all texts of a window again, and finding the known topics in the result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.topic_chain.changes import changes
from fusemine.tasks.mine.topic_chain.grouped import Grouped, group
from fusemine.tasks.mine.topic_chain.grouping.merging import themes
from fusemine.tasks.mine.topic_chain.naming.terms import IN_NAME, Term, topic_names, topic_terms
from fusemine.tasks.mine.topic_chain.reference_texts import outlier_threshold
from fusemine.tasks.mine.topic_chain.registry import NO_TEXT_NAME, WORDS, Fitted, State, Topic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.reference_texts import ReferenceTexts
    from fusemine.tasks.mine.topic_chain.settings import TopicsSettings
    from fusemine.tasks.text.distinct import Texts


def refit(
    state: State,
    texts: Texts,
    partition: str,
    settings: TopicsSettings,
    reason: str,
    device: str = "cpu",
) -> State:
    """The state after all texts of a window were grouped again.

    A group that is a known topic keeps its number and its name; the others are born.

    Args:
        state: The registry before.
        texts: The distinct texts of the window, at least one.
        partition: The window's last partition.
        settings: How texts are grouped.
        reason: What called for it.
        device: Where torch computes.
    """
    grouped = group(state, texts, settings, device)
    references, grouping = grouped.references, grouped.grouping
    # Texts beyond the sample join the topics that the sample gave.
    assigned = references.assign(texts.vectors).topics
    terms = _terms(texts, assigned, references)
    rows = np.bincount(assigned, weights=texts.rows, minlength=references.numbers.max() + 1)
    topics = _topics(state, grouped, rows.astype(int), terms, partition, settings.themes)
    gone = _gone(state, grouped, partition)
    # What counts as an outlier follows from how close the grouped texts are to each other.
    closeness = references.assign(references.vectors).closeness
    fitted = Fitted(
        partition=partition,
        texts=grouped.size,
        bar=round(outlier_threshold(closeness, settings.outliers), 4),
        method=grouping.method,
        criterion=grouping.criterion,
        stability=grouping.stability,
    )
    events = changes(state, grouped, topics, gone, partition, reason)
    after = replace(state, fitted=fitted, references=references)
    return after.updated([*topics.values(), *gone], events)


def _terms(
    texts: Texts, topics: NDArray[np.int32], references: ReferenceTexts
) -> dict[int, list[Term]]:
    codes = np.searchsorted(references.numbers, topics).astype(np.int32)
    found = topic_terms(texts.texts, texts.rows, codes, len(references.numbers))
    return dict(zip(references.numbers.tolist(), found, strict=True))


def _topics(
    state: State,
    grouped: Grouped,
    rows: NDArray[np.int64],
    terms: dict[int, list[Term]],
    partition: str,
    theme_count: int | Literal["auto"],
) -> dict[int, Topic]:
    """What is known of the topics that live after the grouping, by number."""
    references = grouped.references
    names, themed = _names(state, grouped, terms), _themes(references, theme_count)
    found = {}
    for number in references.numbers.tolist():
        similar = references.vectors[references.topics == number] @ references.centre(number)
        before = state.topics.get(number)
        kept = before if before is not None and before.name == names[number] else None
        listed = tuple(term.text for term in terms[number])
        found[number] = Topic(
            topic=number,
            name=names[number],
            named_by=kept.named_by if kept else WORDS,
            theme=themed[number],
            born=before.born if before else partition,
            rows=int(rows[number]),
            closeness=round(float(similar.mean()), 4),
            spread=round(float(similar.std()), 4),
            terms=listed,
            named_for=kept.named_for if kept else listed[:IN_NAME],
        )
    return found


def _names(state: State, grouped: Grouped, terms: dict[int, list[Term]]) -> dict[int, str]:
    """A known topic keeps its name while one of the name's terms is still among its terms."""
    kept = {
        number: state.topics[number].name
        for number in sorted(grouped.matching.same.values())
        if _keeps_name(state.topics[number], terms[number])
    }
    others = [number for number in terms if number not in kept]
    fallback = [_central_text(grouped, number) for number in others]
    taken = [NO_TEXT_NAME, *kept.values()]
    given = topic_names([terms[number] for number in others], fallback, taken)
    return kept | dict(zip(others, given, strict=True))


def _keeps_name(topic: Topic, terms: list[Term]) -> bool:
    """Whether what a topic was named for is among its terms; a topic without any keeps its name."""
    now, before = {term.text for term in terms}, set(topic.named_for)
    return not before or not now or bool(before & now)


def _central_text(grouped: Grouped, number: int) -> str:
    texts, centre = grouped.texts, grouped.references.centre(number)
    # Rounded, so that ties go to the first text on every machine.
    nearest = int(np.round(texts.vectors @ centre, 6).argmax())
    return "".join(char for char in quote(texts.texts[nearest]) if char.isprintable())


def _themes(references: ReferenceTexts, count: int | Literal["auto"]) -> dict[int, int]:
    """The theme of each topic: the number of the topic in it that is known longest."""
    numbers = references.numbers.tolist()
    sizes = np.array([(references.topics == number).sum() for number in numbers])
    groups = themes(references.centres, sizes, count).tolist()
    # Numbers ascend with age, so the first topic of a theme is the eldest.
    eldest: dict[int, int] = {}
    for number, theme in zip(numbers, groups, strict=True):
        eldest.setdefault(theme, number)
    return {number: eldest[theme] for number, theme in zip(numbers, groups, strict=True)}


def _gone(state: State, grouped: Grouped, partition: str) -> list[Topic]:
    alive = set(grouped.numbers.values())
    into = {old: grouped.numbers[group] for old, group in grouped.matching.into.items()}
    return [
        replace(topic, gone=partition, into=into.get(topic.topic))
        for topic in state.alive
        if topic.topic not in alive
    ]
