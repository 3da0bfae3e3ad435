"""A space of the embedding store: its name, what its vectors are, and how it was used."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from fusemine.tasks.core.key import KEY_LENGTH
from fusemine.tasks.core.storage.records import parse, to_bytes, write_record
from fusemine.tasks.embed.encoders.kinds import earlier_keys, space_key

if TYPE_CHECKING:
    from fusemine.tasks.core.storage.store import Store
    from fusemine.tasks.embed.encoders.models import ModelFiles
    from fusemine.tasks.embed.settings import EmbedSettings

STORE = "store"
"""Where the spaces are below the root."""
FACTS, USE = "space.json", "use.json"
_ATTEMPTS = 5


class Facts(BaseModel, frozen=True):
    """What the vectors of a space are.

    Args:
        model: Name of the model.
        path: How it computed.
        precision: Of the computation.
        dimension: Length of a vector.
        max_tokens: Tokens that it reads of a text; None for all.
        settings: The settings that change a vector.
    """

    model: str
    path: str
    precision: str
    dimension: int
    max_tokens: int | None
    settings: dict[str, Any]


class Use(BaseModel, frozen=True):
    """How a space was used so far.

    Args:
        texts: Texts that were looked up.
        hits: Those of them that were there.
        at: When one was last looked up.
    """

    texts: int = 0
    hits: int = 0
    at: datetime | None = None


def is_space(name: str) -> bool:
    """Whether a name is one that a space can have; what else is in the store is a user's own."""
    folder, _, key = name.rpartition("/")
    return folder == STORE and re.fullmatch(rf"[0-9a-f]{{{KEY_LENGTH}}}", key) is not None


def spaces(store: Store) -> list[str]:
    """The names of the spaces below a root."""
    return [name for key in store.folders(STORE) if is_space(name := f"{STORE}/{key}")]


def space_of(settings: EmbedSettings, model: ModelFiles, precision: str) -> str:
    """The name of the space that a run would read and fill.

    Args:
        settings: How texts become vectors.
        model: The encoder.
        precision: Of the computation, as resolved; `auto` may mean another one elsewhere.
    """
    return f"{STORE}/{space_key(model.kind, _values(settings, precision), model.fingerprint)}"


def stored_space(store: Store, settings: EmbedSettings, model: ModelFiles, precision: str) -> str:
    """The name of the space that a run finds; that of an earlier version if it would adopt that.

    A space of the present name comes first.
    """
    name, folders = space_of(settings, model, precision), store.folders(STORE)
    keys = earlier_keys(model.kind, _values(settings, precision), model.fingerprint)
    found = [key for key in (name.removeprefix(f"{STORE}/"), *keys) if key in folders]
    return f"{STORE}/{found[0]}" if found else name


def adopt(store: Store, settings: EmbedSettings, model: ModelFiles, precision: str) -> None:
    """Take over the space in which an earlier version of fusemine kept the same vectors."""
    name = space_of(settings, model, precision)
    found = stored_space(store, settings, model, precision)
    if found != name:
        store.rename(found, name)


def _values(settings: EmbedSettings, precision: str) -> dict[str, Any]:
    return {**settings.key_values(), "precision": precision}


def read_facts(store: Store, space: str) -> Facts | None:
    """The facts of a space; None where none can be read."""
    try:
        return parse(store.read(f"{space}/{FACTS}"), Facts)
    except (OSError, ValueError):
        return None


def write_facts(store: Store, space: str, facts: Facts) -> None:
    """Write the facts of a space."""
    write_record(store, f"{space}/{FACTS}", facts)


def read_use(store: Store, space: str) -> Use:
    """How a space was used; not at all, as far as nothing can be read."""
    return _use_of(_stored_use(store, space))


def add_use(store: Store, space: str, texts: int, hits: int) -> None:
    """Count so many texts that were looked up, and so many of them that were there.

    If other processes write at the same time again and again it is left out: nothing rests on it.
    """
    for _ in range(_ATTEMPTS):
        before = _stored_use(store, space)
        use = _use_of(before)
        after = Use(texts=use.texts + texts, hits=use.hits + hits, at=datetime.now(UTC))
        name, content = f"{space}/{USE}", to_bytes(after)
        if store.create(name, content) if before is None else store.replace(name, content, before):
            return


def _stored_use(store: Store, space: str) -> bytes | None:
    try:
        return store.read(f"{space}/{USE}")
    except (FileNotFoundError, IsADirectoryError):
        return None


def _use_of(stored: bytes | None) -> Use:
    try:
        return parse(stored, Use) if stored else Use()
    except ValueError:
        return Use()
