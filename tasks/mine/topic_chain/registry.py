"""The registry: what is known of the topics after a partition, and what happened to them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from fusemine.tasks.mine.topic_chain.reference_texts import Anchors

NO_TEXT, NO_TEXT_NAME = -1, "no text"
"""What rows without text have for a topic."""
WORDS, MODEL = "words", "model"
"""Who named a topic."""

TOPIC: dict[str, Any] = {
    "topic": pl.Int32,
    "name": pl.String,
    "named_by": pl.String,
    "theme": pl.Int32,
    "born": pl.String,
    "gone": pl.String,
    "into": pl.Int32,
    "rows": pl.Int64,
    "closeness": pl.Float64,
    "spread": pl.Float64,
    "terms": pl.List(pl.String),
    "named_for": pl.List(pl.String),
}
_LISTS = ("terms", "named_for")
EVENT: dict[str, Any] = {
    "partition": pl.String,
    "kind": pl.String,
    "topic": pl.Int32,
    "name": pl.String,
    "other": pl.Int32,
    "other_name": pl.String,
    "rows": pl.Int64,
    "before": pl.Float64,
    "now": pl.Float64,
    "evidence": pl.String,
}


@dataclass(frozen=True)
class Topic:
    """What is known of one topic.

    Attributes:
        topic: Its number, which it keeps as long as it lives and no other ever gets.
        name: Its name.
        named_by: `words` or `model`.
        theme: The theme that it belongs to.
        born: The partition that it came up in.
        rows: Rows of the window that have it, as of the last grouping, and those that joined it
            since.
        closeness, spread: Mean and standard deviation of the similarity of its anchors to
            their centre.
        terms: Its terms, best first.
        named_for: Those that were its best when it was named.
        gone: The partition that it was last known before; None while it lives.
        into: The topic that took it over, if one did.
    """

    topic: int
    name: str
    named_by: str
    theme: int
    born: str
    rows: int
    closeness: float
    spread: float
    terms: tuple[str, ...] = ()
    named_for: tuple[str, ...] = ()
    gone: str | None = None
    into: int | None = None

    @property
    def alive(self) -> bool:
        """Whether texts can still be given this topic."""
        return self.gone is None


@dataclass(frozen=True)
class Event:
    """Something that happened to a topic, and what shows it.

    Attributes:
        partition: When.
        kind: fitted (all texts were grouped anew), born, split, merged, died, grew, drifted or
            renamed.
        topic: The topic; None for `fitted`.
        name: Its name then.
        rows: Rows, or texts for `fitted`, that show it.
        evidence: A sentence.
        other: The topic that it split from or was merged into.
        other_name: That topic's name.
        before, now: What changed, as numbers.
    """

    partition: str
    kind: str
    topic: int | None
    name: str
    rows: int
    evidence: str
    other: int | None = None
    other_name: str | None = None
    before: float | None = None
    now: float | None = None


@dataclass(frozen=True)
class Fitted:
    """The last time that all texts were grouped.

    Attributes:
        partition: When; empty before the first time.
        texts: Distinct vectors that there were.
        bar: The closeness below which a text is like no others.
        method: How, in words.
        criterion: How the number of topics was chosen, JSON-ready.
        stability: Agreement (ARI) of groupings of samples; None where it was not measured.
        new: Texts since then that were no anchors, counted anew in every partition.
        strange: Those of them that are like no others.
    """

    partition: str = ""
    texts: int = 0
    bar: float = -1.0
    method: str = ""
    criterion: dict[str, Any] = field(default_factory=dict)
    stability: float | None = None
    new: int = 0
    strange: int = 0


@dataclass(frozen=True)
class State:
    """The registry after a partition.

    Attributes:
        topics: All topics that there ever were, by number.
        events: All that happened, oldest first.
        fitted: The last grouping.
        anchors: Its texts; None while there was none.
        trouble: Why the language model gave no names, if it did not.
    """

    topics: dict[int, Topic] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    fitted: Fitted = field(default_factory=Fitted)
    anchors: Anchors | None = None
    trouble: str | None = None

    @property
    def alive(self) -> list[Topic]:
        """The topics that texts can have, by number."""
        return [topic for topic in self.topics.values() if topic.alive]

    @property
    def next_number(self) -> int:
        """A number that no topic has had."""
        return max(self.topics, default=-1) + 1

    def having(self, topics: list[Topic], events: list[Event]) -> State:
        """The state with these topics in place of those of the same number, and more events."""
        changed = self.topics | {topic.topic: topic for topic in topics}
        ordered = {number: changed[number] for number in sorted(changed)}
        return replace(self, topics=ordered, events=(*self.events, *events))


def topics_frame(state: State) -> pl.DataFrame:
    """All topics by the contract `registry`."""
    rows = [vars(t) | {name: list(vars(t)[name]) for name in _LISTS} for t in state.topics.values()]
    return pl.DataFrame(rows, TOPIC)


def events_frame(state: State) -> pl.DataFrame:
    """The events by the contract `events`."""
    return pl.DataFrame([vars(event) for event in state.events], EVENT)


def topics_of(frame: pl.DataFrame) -> dict[int, Topic]:
    """The topics of a table by the contract `registry`."""
    rows = frame.iter_rows(named=True)
    found = [Topic(**(row | {name: tuple(row[name]) for name in _LISTS})) for row in rows]
    return {topic.topic: topic for topic in found}


def events_of(frame: pl.DataFrame) -> tuple[Event, ...]:
    """The events of a table by the contract `events`."""
    return tuple(Event(**row) for row in frame.iter_rows(named=True))
