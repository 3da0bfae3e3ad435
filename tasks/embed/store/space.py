"""A space of the embedding store: what its vectors are, and how it was used."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FACTS = "space.json"
USES = "uses.jsonl"


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
    """One look into a space: when, for how many texts, and how many of these were there."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    texts: int
    hits: int


def read_facts(folder: Path) -> Facts | None:
    """The facts of a space; None where none can be read."""
    try:
        return Facts.model_validate_json((folder / FACTS).read_bytes())
    except (OSError, ValidationError):
        return None


def write_facts(folder: Path, facts: Facts) -> None:
    """Write the facts of a space, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".draft-{os.getpid()}-{FACTS}"
    draft.write_text(facts.model_dump_json(indent=1), encoding="utf-8")
    draft.rename(folder / FACTS)


def note_use(folder: Path, texts: int, hits: int) -> None:
    """Add a use; lines of several processes do not mix, because each is one short write."""
    line = Use(at=datetime.now(UTC), texts=texts, hits=hits).model_dump_json() + "\n"
    with (folder / USES).open("ab", buffering=0) as file:
        file.write(line.encode())


def read_uses(folder: Path) -> Iterator[Use]:
    """The uses of a space, oldest first; a line that a kill cut off is left out."""
    try:
        lines = (folder / USES).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield Use.model_validate(json.loads(line))
        except ValueError:
            continue
