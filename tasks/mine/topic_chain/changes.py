"""What a new grouping changed: topics born, split off, merged, gone, drifted and renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.mine.topic_chain.drift import named
from fusemine.tasks.mine.topic_chain.registry import Event
from fusemine.tasks.text.sentences import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.mine.topic_chain.grouped import Grouped
    from fusemine.tasks.mine.topic_chain.registry import State, Topic

DRIFTED = 0.95
"""A topic drifted if its centre is less similar than this to the one that it had."""


def changes(
    state: State,
    grouped: Grouped,
    topics: Mapping[int, Topic],
    gone: Sequence[Topic],
    at: tuple[str, str],
) -> list[Event]:
    """The events of a new grouping.

    Args:
        state: The registry before.
        grouped: The grouping.
        topics: The topics that live now, by number.
        gone: Those that do not any more.
        at: The partition, and what called for the grouping.
    """
    partition, why = at
    born = _births(state, grouped, topics, partition) if state.topics else []  # else all are
    return [
        _fitted(grouped, partition, why),
        *born,
        *_ends(grouped, gone, topics),
        *_drifts(state, grouped, topics, partition),
        *_renamings(state, topics, partition),
    ]


def _fitted(grouped: Grouped, partition: str, why: str) -> Event:
    size, anchors = grouped.size, len(grouped.anchors)
    sample = f", {anchors:,} of them taken evenly" if anchors < size else ""
    cause = f"{why}; " if why else ""
    evidence = f"{cause}{size:,} distinct texts{sample} gave {len(grouped.numbers)} topics"
    return Event(partition, "fitted", None, "", size, evidence)


def _births(
    state: State, grouped: Grouped, topics: Mapping[int, Topic], partition: str
) -> list[Event]:
    events = []
    for group, number in sorted(grouped.numbers.items(), key=lambda pair: pair[1]):
        if group in grouped.matching.same:
            continue
        origin = state.topics.get(grouped.matching.parts.get(group, -1))
        size = int((grouped.anchors.topics == number).sum())
        topic = topics[number]
        if origin is None:
            said = f"{size:,} texts that were in no one topic before, {_about(topic)}"
            events.append(Event(partition, "born", number, topic.name, size, said))
            continue
        common = grouped.matching.common(origin.topic, group)
        whole = grouped.matching.texts_of(origin.topic)
        said = (
            f"{common:,} of its {size:,} texts were in {named(origin)}, which is "
            f"{percent(common / whole)} of that topic's texts"
        )
        events.append(
            Event(partition, "split", number, topic.name, size, said, origin.topic, origin.name)
        )
    return events


def _about(topic: Topic) -> str:
    return f"on {', '.join(topic.terms[:5])}" if topic.terms else "without words of their own"


def _ends(grouped: Grouped, gone: Sequence[Topic], topics: Mapping[int, Topic]) -> list[Event]:
    events = []
    for topic in gone:
        whole = grouped.matching.texts_of(topic.topic)
        heir = topics.get(-1 if topic.into is None else topic.into)
        at = str(topic.gone)
        if heir is None:
            said = f"its {whole:,} texts are spread over other topics" if whole else "no texts left"
            events.append(Event(at, "died", topic.topic, topic.name, whole, said))
            continue
        common = grouped.matching.common(topic.topic, grouped.matching.into[topic.topic])
        said = f"{common:,} of its {whole:,} texts are in {named(heir)} now"
        events.append(
            Event(at, "merged", topic.topic, topic.name, whole, said, heir.topic, heir.name)
        )
    return events


def _drifts(
    state: State, grouped: Grouped, topics: Mapping[int, Topic], partition: str
) -> list[Event]:
    events = []
    for number in sorted(grouped.matching.same.values()):
        assert state.anchors is not None  # noqa: S101  (known topics have anchors)
        similar = float(state.anchors.centre(number) @ grouped.anchors.centre(number))
        if similar >= DRIFTED:
            continue
        said = f"its centre has a similarity of {similar:.2f} to the one that it had"
        rows = int((grouped.anchors.topics == number).sum())
        name = topics[number].name
        events.append(Event(partition, "drifted", number, name, rows, said, now=round(similar, 4)))
    return events


def _renamings(state: State, topics: Mapping[int, Topic], partition: str) -> list[Event]:
    changed = [(state.topics[n], t) for n, t in topics.items() if n in state.topics]
    return [
        Event(
            partition,
            "renamed",
            now.topic,
            now.name,
            now.rows,
            f"what {named(before)} was named for is no longer among its terms",
        )
        for before, now in changed
        if before.name != now.name
    ]
