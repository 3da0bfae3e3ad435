"""The registry of a pipeline's models: all models, the one in use, and the decisions on them.

It is one file below the root, changed by compare and swap.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from fusemine.tasks.core.errors import ArtifactError, SettingsError, nearest
from fusemine.tasks.core.storage.manifest import MANIFEST
from fusemine.tasks.core.storage.records import damaged, parse, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusemine.tasks.core.storage.store import Store

NAME, MODELS = "models/registry.json", "train"
"""Where it is below the root, and where the models are."""
SHORT = 6
"""Characters of a model's key in its id."""

Action = Literal["first", "promoted", "kept", "chosen", "rolled back"]
"""The rule decides `first`, `promoted` and `kept` (the one before stays), a person the others."""
PREVIOUS = "previous"
"""Stands for the model that was in use before."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Entry(_Record):
    """A model that was trained.

    Args:
        id: Its partition and the beginning of its key.
        partition: The partition that it was trained for.
        artifact: Where it is below the root, `train/partition/key`.
        sha256: Hash over the content of its files.
        made_at: When.
        label: Whether it predicts a label.
        metric: The metric that models are compared by.
        value: Its value on the test rows, None without any.
        interval: Its 95 % interval.
        train_rows: Labelled rows that it was trained on.
        test_rows: Labelled rows that it was tested on.
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
        model: The model that it is about.
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
    """A mined partition: the model that scored it, and the comparison that its run made.

    Args:
        champion: The model in use when the partition was first mined, trained before it.
        challenge: Where the comparison is below the root.
        score: Where the champion's predictions are below the root; they outlive the champion.
    """

    champion: str | None
    challenge: str | None = None
    score: str | None = None


class Registry(_Record):
    """All models and decisions, JSON-ready; each change makes a new registry.

    Args:
        entries: The models, by their id, in the order in which they were made.
        events: The decisions, the oldest first.
        turns: By partition.
    """

    version: Literal[1] = 1
    entries: dict[str, Entry] = {}
    events: tuple[Event, ...] = ()
    turns: dict[str, Turn] = {}

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        """Every model that it speaks of must be in it, under its own id."""
        named = {name for event in self.events for name in (event.model, event.before) if name}
        keys = {entry.id for key, entry in self.entries.items() if key == entry.id}
        if not keys >= named or len(keys) != len(self.entries):
            raise ValueError("decisions on models that are not in it")
        return self

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
        """The models in use before the current one, newest first; none that was rolled back."""
        return [self.entries[name] for name in reversed(self.succession()[:-1])]

    def succession(self) -> list[str]:
        """The models in use, one after the other; a rollback removes the later ones."""
        names: list[str] = []
        for event in self.events:
            if event.action == "rolled back":
                while names and names[-1] != event.model:
                    names.pop()
            elif event.current and event.current not in names[-1:]:
                names.append(event.current)
        return names

    def decided(self, model: str) -> bool:
        """Whether there was a decision on a model already."""
        return any(event.model == model for event in self.events)

    def with_entry(self, entry: Entry) -> Registry:
        """One more model, or a new entry for one of the same id."""
        return self.model_copy(update={"entries": {**self.entries, entry.id: entry}})

    def with_event(self, event: Event) -> Registry:
        """One more decision."""
        return self.model_copy(update={"events": (*self.events, event)})

    def with_turn(self, partition: str, turn: Turn) -> Registry:
        """A partition that was mined; the model that scored it first stays its model."""
        before = self.turns.get(partition)
        if before is not None:
            score = turn.score if before.champion == turn.champion else None
            more = {"challenge": turn.challenge, "score": score}
            turn = before.model_copy(update={name: one for name, one in more.items() if one})
        return self.model_copy(update={"turns": {**self.turns, partition: turn}})

    def kept_artifacts(self, newest: int) -> list[str]:
        """The artifacts of the model in use, of the `newest` before it, and of the newest ones."""
        ids = [*self.succession()[-1 - newest :], *list(self.entries)[-newest:]]
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
    """The facts that differ between two models, nested names joined by dots.

    >>> differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}})
    Difference(first={'a.c': 2}, second={'a.c': 3})
    """
    one, other = _flat(first), _flat(second)
    names = [n for n in dict.fromkeys([*one, *other]) if one.get(n) != other.get(n)]
    return Difference({n: one.get(n) for n in names}, {n: other.get(n) for n in names})


def _flat(value: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in value.items():
        place = before + name
        found |= _flat(part, f"{place}.") if isinstance(part, dict) else {place: part}
    return found


def read_registry(store: Store) -> Registry:
    """The models of a pipeline; none before the first.

    Raises:
        ArtifactError: The file is damaged, or gone though there are models.
    """
    return _read(store)[1]


def change_registry(store: Store, change: Callable[[Registry], Registry]) -> Registry:
    """Change the registry as it is at that moment, and return the result.

    Raises:
        ArtifactError: The file is damaged, or gone though there are models, or cannot be written.
    """
    while True:
        stored, before = _read(store)
        after = change(before)
        content = to_bytes(after)
        if after == before:
            return after
        if store.create(NAME, content) if stored is None else store.replace(NAME, content, stored):
            return after


def begin_registry(store: Store) -> None:
    """Write a registry without models where there is none: from then on its loss is noticed."""
    store.create(NAME, to_bytes(Registry()))


def renew_registry(store: Store, registry: Registry) -> None:
    """Begin a new registry in place of one that is damaged or gone."""
    store.replace(NAME, to_bytes(registry))


def stored_models(store: Store) -> list[str]:
    """The artifacts of all models below a root, whether they are whole or not."""
    partitions = [f"{MODELS}/{partition}" for partition in store.folders(MODELS)]
    names = [f"{partition}/{key}" for partition in partitions for key in store.folders(partition)]
    return [name for name in names if store.exists(f"{name}/{MANIFEST}")]


def _read(store: Store) -> tuple[bytes | None, Registry]:
    """The file, and the registry in it."""
    try:
        stored = store.read(NAME)
        return stored, parse(stored, Registry)
    except FileNotFoundError as error:
        if stored_models(store):
            raise _lost(store, "gone") from error
        return None, Registry()
    except (OSError, ValueError) as error:
        raise _lost(store, "damaged") from error


def _lost(store: Store, what: str) -> ArtifactError:
    """Which model is in use is not known then, and none may be taken that has lost its test."""
    ids = [model_id(*name.split("/")[1:]) for name in stored_models(store)]
    fix = f"if no copy of it is left, remove {NAME}: the next run trains the first model"
    if ids:
        fix = (
            "restore it from a copy, or say which model is in use, which begins a new registry: "
            f"fusemine promote PIPELINE {ids[-1]} (there are {', '.join(ids[-5:])})"
        )
    return damaged(store, NAME, what, "the registry of the trained models", fix)


def model_id(partition: str, key: str) -> str:
    """The id of the model of a partition and a key."""
    return f"{partition}-{key[:SHORT]}"
