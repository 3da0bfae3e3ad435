"""What a new grouping changed: topics born, split off, merged, gone, drifted and renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.topic_chain.registry import Event
from fusemine.tasks.stats.intervals import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fusemine.tasks.mine.topic_chain.grouped import Grouped
    from fusemine.tasks.mine.topic_chain.registry import State, Topic

    Topics = Mapping[int, Topic]

DRIFTED = 0.95
"""A topic drifted if its centre is less similar than this to the one that it had."""


def changes(
    state: State,
    grouped: Grouped,
    topics: Topics,
    gone: Sequence[Topic],
    partition: str,
    reason: str,
) -> list[Event]:
    """The events of a new grouping.

    Args:
        state: The registry before.
        grouped: The grouping.
        topics: The topics that live now, by number.
        gone: Those that do not any more.
        partition: When.
        reason: What called for the grouping.
    """
    return [
        _fitted(grouped, partition, reason),
        # At the first grouping all topics are new, which is no news.
        *(_births(state, grouped, topics, partition) if state.topics else ()),
        *_ends(grouped, gone, topics, partition),
        *_drifts(state, grouped, topics, partition),
        *_renamings(state, topics, partition),
    ]


def _fitted(grouped: Grouped, partition: str, reason: str) -> Event:
    size, used = grouped.size, len(grouped.references)
    sample = f", {used:,} of them taken evenly" if used < size else ""
    cause = f"{reason}; " if reason else ""
    evidence = f"{cause}{size:,} distinct texts{sample} gave {len(grouped.numbers)} topics"
    return Event(partition, "fitted", None, "", size, evidence)


def _births(state: State, grouped: Grouped, topics: Topics, partition: str) -> Iterator[Event]:
    matching = grouped.matching
    for group, number in sorted(grouped.numbers.items(), key=lambda pair: pair[1]):
        if group in matching.same:
            continue
        topic, size = topics[number], grouped.texts_of(number)
        origin = state.topics.get(matching.parts.get(group, -1))
        if origin is None:
            words = (
                f"on {', '.join(topic.terms[:5])}" if topic.terms else "without words of their own"
            )
            evidence = f"{size:,} texts that were in no one topic before, {words}"
            yield topic.event(partition, "born", size, evidence)
            continue
        common, whole = matching.common(origin.topic, group), matching.texts_of(origin.topic)
        evidence = (
            f"{common:,} of its {size:,} texts were in {_quoted(origin)}, which is "
            f"{percent(common / whole)} of that topic's texts"
        )
        yield topic.event(partition, "split", size, evidence, origin)


def _ends(
    grouped: Grouped, gone: Sequence[Topic], topics: Topics, partition: str
) -> Iterator[Event]:
    matching = grouped.matching
    for topic in gone:
        whole = matching.texts_of(topic.topic)
        heir = None if topic.into is None else topics[topic.into]
        if heir is None:
            evidence = (
                f"its {whole:,} texts are spread over other topics" if whole else "no texts left"
            )
            yield topic.event(partition, "died", whole, evidence)
            continue
        common = matching.common(topic.topic, matching.into[topic.topic])
        evidence = f"{common:,} of its {whole:,} texts are in {_quoted(heir)} now"
        yield topic.event(partition, "merged", whole, evidence, heir)


def _drifts(state: State, grouped: Grouped, topics: Topics, partition: str) -> Iterator[Event]:
    for number in sorted(grouped.matching.same.values()):
        assert state.references is not None  # noqa: S101  (known topics have some)
        similar = float(state.references.centre(number) @ grouped.references.centre(number))
        if similar < DRIFTED:
            rows, now = grouped.texts_of(number), round(similar, 4)
            evidence = f"its centre has a similarity of {similar:.2f} to the one that it had"
            yield topics[number].event(partition, "drifted", rows, evidence, now=now)


def _renamings(state: State, topics: Topics, partition: str) -> Iterator[Event]:
    for number, topic in topics.items():
        before = state.topics.get(number)
        if before is not None and before.name != topic.name:
            evidence = f"what {_quoted(before)} was named for is no longer among its terms"
            yield topic.event(partition, "renamed", topic.rows, evidence)


def _quoted(topic: Topic) -> str:
    return f"“{quote(topic.name)}”"
