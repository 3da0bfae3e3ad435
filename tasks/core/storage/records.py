"""Records: small JSON files below a root, each with a hash over all that it says.

So a record that was changed, cut off or swapped for another is told from one that is right. The
records of earlier versions have no hash: they are read as they are, and get one when they are next
written.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from fusemine.tasks.core.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fusemine.tasks.core.storage.store import Store

SEAL = "seal"
"""The field of a record that holds the hash over all others."""
Kind = TypeVar("Kind", bound=BaseModel)


def sealed(value: Mapping[str, Any]) -> bytes:
    """A JSON-ready record as it is stored, with its seal; one that it has already is renewed."""
    plain = {name: part for name, part in value.items() if name != SEAL}
    return json.dumps({**plain, SEAL: _seal_of(plain)}, indent=1).encode() + b"\n"


def to_bytes(record: BaseModel) -> bytes:
    """A record as it is stored."""
    return sealed(record.model_dump(mode="json"))


def parse(content: bytes, kind: type[Kind]) -> Kind:
    """A stored record.

    Raises:
        ValueError: It is no such record, or not as it was written.
    """
    value = unsealed(content)
    value.pop(SEAL, None)
    if not set(value) <= set(kind.model_fields) and kind.model_config.get("extra") != "allow":
        raise ValueError("fields of another record")
    return kind.model_validate(value)


def unsealed(content: bytes) -> dict[str, Any]:
    """What a stored record holds, whatever its kind.

    Raises:
        ValueError: It is no JSON object, or its seal is not that of the rest.
    """
    try:
        value = json.loads(content)
        if not isinstance(value, dict):
            raise ValueError(f"a {type(value).__name__} instead of an object")
        plain = {name: part for name, part in value.items() if name != SEAL}
        if SEAL in value and value[SEAL] != _seal_of(plain):
            raise ValueError("other content than its seal is of")
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return value


def read_record(
    store: Store,
    name: str,
    kind: type[Kind],
    expected: str,
    fix: str,
    fits: Callable[[Kind], bool] = lambda _: True,
) -> Kind | None:
    """A record below a root, None where there is none.

    Args:
        store: Where the pipeline keeps things.
        name: The record.
        kind: What it holds.
        expected: What should be there, for the error.
        fix: What to do where it is damaged, for the error.
        fits: Whether what it holds belongs to this place.

    Raises:
        ArtifactError: It is damaged, or belongs elsewhere.
    """
    try:
        record = parse(store.read(name), kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise damaged(store, name, _why(error), expected, fix) from error
    if not fits(record):
        raise damaged(store, name, "the record of something else", expected, fix)
    return record


def write_record(store: Store, name: str, record: BaseModel) -> None:
    """Write a record in place of the one that is there."""
    store.replace(name, to_bytes(record))


def damaged(store: Store, name: str, what: str, expected: str, fix: str) -> ArtifactError:
    """The error of a record that cannot be used.

    Args:
        store: Where the pipeline keeps things.
        name: The record.
        what: What is wrong with it, as the end of "which is …".
        expected: What should be there.
        fix: What to do.
    """
    return ArtifactError(
        got=f"{name} below {store.root}, which is {what}", expected=expected, fix=fix
    )


def _why(error: OSError | ValueError) -> str:
    """What is wrong, without anything of the content, which may be of rows."""
    if isinstance(error, OSError):
        return f"unreadable ({error.strerror or type(error).__name__})"
    plain = type(error) is ValueError
    return f"damaged ({error if plain else 'not of the form that was written'})"


def _seal_of(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
