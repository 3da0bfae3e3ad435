"""Taking a model into use by hand: what is checked, and what is noted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tasks.errors import SettingsError
from tasks.models.records import change_registry, read_registry
from tasks.models.registry import PREVIOUS, Action, Event
from tasks.models.stored import find_stored, load

if TYPE_CHECKING:
    from flows.config import Loaded
    from tasks.models.registry import Entry, Registry

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
    entry, action = _chosen(read_registry(loaded.root), model)
    load(find_stored(loaded.root, entry))  # what cannot be read must not be in use

    def chosen(registry: Registry) -> Registry:
        again, _ = _chosen(registry, model)
        before = registry.current
        event = Event(
            at=datetime.now(UTC),
            action=action,
            model=again.id,
            before=before.id if before else None,
            why=why[:LONGEST],
        )
        return registry.with_event(event)

    after = change_registry(loaded.root, chosen)
    before = after.events[-1].before
    return f"{after.events[-1].model} is in use now, in place of {before or 'none'}"


def _chosen(registry: Registry, model: str) -> tuple[Entry, Action]:
    if model == PREVIOUS:
        entry = registry.previous()
        if entry is None:
            raise SettingsError(
                got="no model that was in use before",
                expected="a second model to go back from",
                fix="fusemine models PIPELINE shows what there is",
            )
        return entry, "rolled back"
    entry, current = registry.get(model), registry.current
    if current is not None and current.id == entry.id:
        raise SettingsError(
            got=f"{entry.id}, which is in use",
            expected="another model",
            fix="fusemine models PIPELINE shows what there is",
        )
    return entry, "chosen"
