"""The registry: what is known of the topics after a partition, and what happened to them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.storage.artifact import has_file, read_frame, read_json, read_table, ref_of
from fusemine.tasks.mine.topic_chain.contracts import ANCHORS, EVENTS, REGISTRY, polars_schema
from fusemine.tasks.mine.topic_chain.reference_texts import from_table

if TYPE_CHECKING:
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.mine.topic_chain.reference_texts import ReferenceTexts

NO_TEXT, NO_TEXT_NAME = -1, "no text"
"""The topic of rows without text, and its name."""
WORDS, MODEL = "words", "model"
"""Who named a topic."""
ANCHORED = "anchors"
"""The table of the reference texts."""
_LISTS = ("terms", "named_for")


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
        closeness, spread: Mean and standard deviation of the cosine similarity of its reference
            texts to their centre.
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

    def event(
        self,
        partition: str,
        kind: str,
        rows: int,
        evidence: str,
        other: Topic | None = None,
        before: float | None = None,
        now: float | None = None,
    ) -> Event:
        """Something that happened to the topic, as `Event` describes it."""
        number, name = (None, None) if other is None else (other.topic, other.name)
        return Event(
            partition, kind, self.topic, self.name, rows, evidence, number, name, before, now
        )


@dataclass(frozen=True)
class Event:
    """Something that happened to a topic, and what shows it.

    Attributes:
        partition: When.
        kind: fitted (all texts were grouped again), born, split, merged, died, grew, drifted or
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
    """The last time that all texts were grouped; stored in the summary under these names.

    Attributes:
        partition: When; empty before the first time.
        texts: Distinct vectors that there were.
        bar: The closeness below which a text is an outlier.
        method: How, in words.
        criterion: How the number of topics was chosen, JSON-ready.
        stability: Mean adjusted Rand index of groupings of samples; None where not measured.
        new: Texts since then that were no reference texts, counted again in every partition.
        strange: Those of them that are outliers.
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
        references: Its texts; None while there was none.
        trouble: Why the language model gave no names, if it did not.
    """

    topics: dict[int, Topic] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    fitted: Fitted = field(default_factory=Fitted)
    references: ReferenceTexts | None = None
    trouble: str | None = None

    @property
    def alive(self) -> list[Topic]:
        """The topics that texts can have, by number."""
        return [topic for topic in self.topics.values() if topic.alive]

    @property
    def next_number(self) -> int:
        """A number that no topic has had."""
        return max(self.topics, default=-1) + 1

    def updated(self, topics: list[Topic], events: list[Event]) -> State:
        """The state with these topics in place of those of the same number, and more events."""
        changed = self.topics | {topic.topic: topic for topic in topics}
        ordered = {number: changed[number] for number in sorted(changed)}
        return replace(self, topics=ordered, events=(*self.events, *events))


def topics_frame(state: State) -> pl.DataFrame:
    """All topics by the contract `registry`."""
    rows = [vars(t) | {name: list(vars(t)[name]) for name in _LISTS} for t in state.topics.values()]
    return pl.DataFrame(rows, polars_schema(REGISTRY))


def events_frame(state: State) -> pl.DataFrame:
    """The events by the contract `events`."""
    return pl.DataFrame([vars(event) for event in state.events], polars_schema(EVENTS))


def topics_of(frame: pl.DataFrame) -> dict[int, Topic]:
    """The topics of a table by the contract `registry`."""
    rows = frame.iter_rows(named=True)
    found = [Topic(**(row | {name: tuple(row[name]) for name in _LISTS})) for row in rows]
    return {topic.topic: topic for topic in found}


def events_of(frame: pl.DataFrame) -> tuple[Event, ...]:
    """The events of a table by the contract `events`."""
    return tuple(Event(**row) for row in frame.iter_rows(named=True))


def read_state(ref: ArtifactRef | None) -> State:
    """The registry of an artifact; an empty one for none.

    Raises:
        ArtifactError: Its files, or those of the grouping that it goes back to, are gone.
    """
    if ref is None:
        return State()
    summary, source = read_json(ref), references_of(ref)
    return State(
        topics=topics_of(read_frame(ref, REGISTRY)),
        events=events_of(read_frame(ref, EVENTS, "events")),
        fitted=Fitted(**summary["fitted"]),
        references=from_table(read_table(source, ANCHORS, ANCHORED)) if source else None,
        trouble=summary["trouble"],
    )


@lru_cache(maxsize=10_000)
def references_of(ref: ArtifactRef) -> ArtifactRef | None:
    """The artifact that holds the reference texts of a registry; None where it has none.

    They are stored once, with the registry of the partition that grouped them.

    Raises:
        ArtifactError: It is gone or changed.
    """
    if has_file(ref, f"{ANCHORED}.parquet"):
        return ref
    summary = read_json(ref)
    if summary["anchors"] is None:
        return None
    found = ref_of(ref.root, summary["anchors"])
    if found is None or found.sha256 != summary["anchors_sha256"]:
        raise ArtifactError(
            got=f"the texts of the grouping {summary['anchors']} below {ref.root} are gone or "
            "changed",
            expected="the artifact that the chain of topics goes back to",
            fix="remove the folder topic_chain below the root and run again: it is computed again",
        )
    return found
