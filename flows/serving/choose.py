"""Taking a model into use by hand: what is checked, and what is noted."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import ArtifactError, ModelError, SettingsError
from fusemine.tasks.core.storage.artifact import manifest_of, ref_of
from fusemine.tasks.core.storage.locks import shared
from fusemine.tasks.serving.registry import (
    PREVIOUS,
    Action,
    Event,
    Registry,
    change_registry,
    read_registry,
    renew_registry,
    stored_models,
)
from fusemine.tasks.serving.stored import entry_of, find_model, load_model, read_about

if TYPE_CHECKING:
    from fusemine.flows.config.pipeline import Loaded
    from fusemine.tasks.serving.registry import Entry

LONGEST = 300


def choose_model(loaded: Loaded, model: str, why: str) -> str:
    """Take a model into use, or go back to the one before; a line that says so.

    Args:
        loaded: The pipeline.
        model: An id, the beginning of one, or `previous`.
        why: A sentence for those who look later.

    Raises:
        SettingsError: There is no such model, or it is in use.
        ModelError: Its files are gone or changed, or cannot be read here.
    """
    with shared(loaded.root):
        registry, is_lost = _registry(loaded, model)
        entry, action = _chosen(loaded, registry, model)
        before = registry.current
        event = Event(
            at=datetime.now(UTC),
            action=action,
            model=entry.id,
            before=before.id if before else None,
            why=why[:LONGEST],
        )
        if is_lost:
            renew_registry(loaded.store, registry.with_event(event))
        else:
            change_registry(loaded.store, partial(_noted, event=event))
    return f"{entry.id} is in use now, in place of {event.before or 'none'}"


def lost_model(loaded: Loaded) -> str | None:
    """The model in use, if it is gone; None also where it is not known which one that is."""
    with suppress(ArtifactError):
        current = read_registry(loaded.store).current
        if current and manifest_of(loaded.store.root, current.artifact) is None:
            return current.id
    return None


def _registry(loaded: Loaded, model: str) -> tuple[Registry, bool]:
    """The registry, and whether it was lost and has only the models that are there.

    Which of them was in use is lost with it, so that a person has to name one.
    """
    try:
        return read_registry(loaded.store), False
    except ArtifactError:
        if model == PREVIOUS:
            raise
    refs = (ref_of(loaded.store.root, name) for name in stored_models(loaded.store))
    whole = [entry_of(ref, read_about(ref)) for ref in refs if ref is not None]
    entries = {entry.id: entry for entry in sorted(whole, key=lambda entry: entry.made_at)}
    return Registry(entries=entries), True


def _noted(registry: Registry, event: Event) -> Registry:
    current = registry.current
    if (current.id if current else None) != event.before:
        raise SettingsError(
            got="another model was taken into use meanwhile",
            expected=f"{event.before} to be in use still",
            fix="look what is in use now (fusemine models PIPELINE), and choose again",
        )
    return registry.with_event(event)


def _chosen(loaded: Loaded, registry: Registry, model: str) -> tuple[Entry, Action]:
    """The model that is meant, which can be read: what cannot must not be in use."""
    if model == PREVIOUS:
        return _earlier(loaded, registry), "rolled back"
    entry, current = registry.get(model), registry.current
    if current is not None and current.id == entry.id:
        raise SettingsError(
            got=f"{entry.id}, which is in use",
            expected="another model",
            fix="fusemine models PIPELINE shows what there is",
        )
    load_model(find_model(loaded.store.root, entry))
    return entry, "chosen"


def _earlier(loaded: Loaded, registry: Registry) -> Entry:
    """The last model in use before the current one that can still be read."""
    for entry in registry.earlier():
        with suppress(ModelError, ArtifactError):
            load_model(find_model(loaded.store.root, entry))
            return entry
    raise SettingsError(
        got="no model that was in use before" + (" and is there" if registry.earlier() else ""),
        expected="a second model to go back to",
        fix="fusemine models PIPELINE shows what there is",
    )
