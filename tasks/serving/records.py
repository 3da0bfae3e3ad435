"""The registry of models below a root: one file, changed by compare and swap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.serving.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusemine.tasks.core.store import Store

NAME = "models/registry.json"
"""Where it is below the root."""


def read_registry(store: Store) -> Registry:
    """The models of a pipeline; none before the first.

    Raises:
        ArtifactError: The file cannot be read.
    """
    return _registry(store, _stored(store))


def change_registry(store: Store, change: Callable[[Registry], Registry]) -> Registry:
    """Change the registry, as it is at that moment, and give it as it is then.

    Raises:
        ArtifactError: The file cannot be read or written.
    """
    while True:
        stored = _stored(store)
        before = _registry(store, stored)
        after = change(before)
        content = after.model_dump_json(indent=1).encode() + b"\n"
        if after == before:
            return after
        if store.create(NAME, content) if stored is None else store.replace(NAME, content, stored):
            return after


def _stored(store: Store) -> bytes | None:
    try:
        return store.read(NAME)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(store, error) from error


def _registry(store: Store, stored: bytes | None) -> Registry:
    if stored is None:
        return Registry()
    try:
        return Registry.model_validate_json(stored)
    except ValidationError as error:
        raise _unreadable(store, error) from error


def _unreadable(store: Store, error: Exception) -> ArtifactError:
    return ArtifactError(
        got=f"{NAME} below {store.root}, which cannot be read ({type(error).__name__})",
        expected="the registry of the models that were trained",
        fix="restore the file from a copy; without it the next run begins a new registry, and "
        "its model will be the one in use",
    )
