"""The models of a pipeline: which there are, which one is in use, and how that came about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from fusemine.tasks.core.errors import SettingsError, nearest

Action = Literal["first", "promoted", "kept", "chosen", "rolled back"]
"""`first`, `promoted` and `kept` (the one before stayed) are decided by the rule, the others by
hand."""
PREVIOUS = "previous"
"""Stands for the model that was in use before."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Entry(_Record):
    """A model that was trained.

    Args:
        id: Its partition and the beginning of its key.
        partition: The partition that it was trained for.
        artifact: Where it is below the root, `model/partition/key`.
        sha256: Hash over the content of its files.
        made_at: When.
        label: Whether it foretells a label.
        metric: The metric that models are compared by.
        value: What it reached on its test rows, None without any.
        interval: Its 95 % interval.
        train_rows: Labelled rows that it learnt from.
        test_rows: Labelled rows that it was judged by.
    """

    id: str
    partition: str
    artifact: str
    sha256: str
    made_at: datetime
    label: bool
    metric: str | None = None
    value: float | None = None
    interval: tuple[float, float] | None = None
    train_rows: int = 0
    test_rows: int = 0


class Event(_Record):
    """A decision on which model is in use.

    Args:
        at: When.
        action: What was decided.
        model: The model that it was about.
        before: The one in use until then.
        why: The reason, in a sentence.
        challenge: Where the comparison of the two is below the root.
    """

    at: datetime
    action: Action
    model: str
    before: str | None
    why: str
    challenge: str | None = None

    @property
    def current(self) -> str | None:
        """The model in use from then on."""
        return self.before if self.action == "kept" else self.model


class Turn(_Record):
    """A partition's part: the model that scored it, and the comparison that its run made.

    Args:
        champion: The model in use when the partition was first mined, trained before it.
        challenge: Where the comparison is below the root.
        score: Where what the champion foretold is below the root; it outlives the champion.
    """

    champion: str | None
    challenge: str | None = None
    score: str | None = None


class Registry(_Record):
    """All of it, JSON-ready; what changes it gives a new one.

    Args:
        entries: The models, by their id, in the order in which they were made.
        events: The decisions, the oldest first.
        turns: By partition.
    """

    version: Literal[1] = 1
    entries: dict[str, Entry] = {}
    events: tuple[Event, ...] = ()
    turns: dict[str, Turn] = {}

    @property
    def current(self) -> Entry | None:
        """The model in use."""
        return self.entries[self.events[-1].current or ""] if self.events else None

    def get(self, name: str) -> Entry:
        """The model of an id, or of a beginning that only one id has.

        Raises:
            SettingsError: There is none.
        """
        found = [entry for key, entry in self.entries.items() if key.startswith(name)]
        if name in self.entries or len(found) == 1:
            return self.entries.get(name) or found[0]
        known = list(self.entries)
        raise SettingsError(
            got=f"{len(found)} models whose id begins with {name!r}" if found else f"no {name!r}",
            expected=f"a model, such as {', '.join(known[-5:])}" if known else "a trained model",
            fix=f"{nearest(name, known)}fusemine models PIPELINE lists them",
        )

    def in_use_for(self, partition: str) -> Entry | None:
        """The model that scores a partition: the one in use that was trained before it.

        That of its first run, if it had one; otherwise the one that was last taken into use among
        those of earlier partitions.
        """
        turn = self.turns.get(partition)
        if turn is not None:
            return self.entries.get(turn.champion or "")
        for event in reversed(self.events):
            entry = self.entries[event.current or ""]
            if entry.partition < partition:
                return entry
        return None

    def earlier(self) -> list[Entry]:
        """The models in use before the current one, newest first; none that was left since."""
        return [self.entries[name] for name in reversed(self.line()[:-1])]

    def line(self) -> list[str]:
        """The models in use, one after the other; rolling back ends the places of later ones."""
        line: list[str] = []
        for event in self.events:
            if event.action == "rolled back":
                while line and line[-1] != event.model:
                    line.pop()
            elif event.current and event.current not in line[-1:]:
                line.append(event.current)
        return line

    def decided(self, model: str) -> bool:
        """Whether something was decided on a model once."""
        return any(event.model == model for event in self.events)

    def with_entry(self, entry: Entry) -> Registry:
        """One more model, or the same anew."""
        return self.model_copy(update={"entries": {**self.entries, entry.id: entry}})

    def with_event(self, event: Event) -> Registry:
        """One more decision."""
        return self.model_copy(update={"events": (*self.events, event)})

    def with_turn(self, partition: str, turn: Turn) -> Registry:
        """A partition that was mined; the model that scores it stays the one that it first was."""
        before = self.turns.get(partition)
        if before is not None:
            score = turn.score if before.champion == turn.champion else None
            more = {"challenge": turn.challenge, "score": score}
            turn = before.model_copy(update={name: one for name, one in more.items() if one})
        return self.model_copy(update={"turns": {**self.turns, partition: turn}})

    def kept(self, newest: int) -> list[str]:
        """The artifacts that must stay: of the model in use, of the last ones in use, the newest
        ones, and the comparisons that are told of."""
        ids = [*self.line()[-1 - newest :], *list(self.entries)[-newest:]]
        return [self.entries[name].artifact for name in dict.fromkeys(ids)]


@dataclass(frozen=True)
class Difference:
    """Two models side by side.

    Args:
        first: The facts of one that differ.
        second: Those of the other.
    """

    first: dict[str, Any]
    second: dict[str, Any]


def differences(first: dict[str, Any], second: dict[str, Any]) -> Difference:
    """What differs between the facts of two models, nested names joined by dots."""
    one, other = _flat(first), _flat(second)
    names = [n for n in dict.fromkeys([*one, *other]) if one.get(n) != other.get(n)]
    return Difference({n: one.get(n) for n in names}, {n: other.get(n) for n in names})


def _flat(value: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in value.items():
        found |= (
            _flat(part, f"{before}{name}.") if isinstance(part, dict) else {before + name: part}
        )
    return found
