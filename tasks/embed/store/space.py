"""A space of the embedding store: what its vectors are, and how it was used."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from fusemine.tasks.core.store import Store

STORE = "store"
"""Where the spaces are below the root."""
FACTS, USE = "space.json", "use.json"
_TRIES = 5


class Facts(BaseModel):
    """What the vectors of a space are.

    Args:
        model: Name of the model.
        path: How it computed.
        precision: Of the computation.
        dimension: Length of a vector.
        max_tokens: Tokens that it reads of a text; None for all.
        settings: The settings that change a vector.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    path: str
    precision: str
    dimension: int
    max_tokens: int | None
    settings: dict[str, Any]


class Use(BaseModel):
    """How a space was used so far: texts that were looked for, those that were there, and when."""

    model_config = ConfigDict(frozen=True)

    texts: int = 0
    hits: int = 0
    at: datetime | None = None


def read_facts(store: Store, space: str) -> Facts | None:
    """The facts of a space; None where none can be read."""
    try:
        return Facts.model_validate_json(store.read(f"{space}/{FACTS}"))
    except (OSError, ValidationError):
        return None


def write_facts(store: Store, space: str, facts: Facts) -> None:
    """Write the facts of a space."""
    store.replace(f"{space}/{FACTS}", facts.model_dump_json(indent=1).encode())


def read_use(store: Store, space: str) -> Use:
    """How a space was used; not at all, as far as nothing can be read."""
    return _use_of(_stored(store, space))


def note_use(store: Store, space: str, texts: int, hits: int) -> None:
    """Add a look for so many texts, of which so many were there.

    Where other processes do the same all the time it is left out: nothing rests on it.
    """
    for _ in range(_TRIES):
        before = _stored(store, space)
        use = _use_of(before)
        after = Use(texts=use.texts + texts, hits=use.hits + hits, at=datetime.now(UTC))
        name, content = f"{space}/{USE}", after.model_dump_json().encode()
        if store.create(name, content) if before is None else store.replace(name, content, before):
            return


def _stored(store: Store, space: str) -> bytes | None:
    try:
        return store.read(f"{space}/{USE}")
    except FileNotFoundError:
        return None


def _use_of(stored: bytes | None) -> Use:
    try:
        return Use.model_validate(json.loads(stored)) if stored else Use()
    except ValueError:
        return Use()
