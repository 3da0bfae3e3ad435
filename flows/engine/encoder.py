"""The encoder that a pipeline's topics rest on: their numbers and names hold for no other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.io import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.flows.engine.config import Loaded

FOLDER = "topics"


def check_encoder(loaded: Loaded, encoder: str, keep: bool = False) -> None:
    """Refuse an encoder that is not the one of the topics so far.

    Args:
        loaded: The pipeline.
        encoder: The fingerprint of the encoder that is set.
        keep: Remember it where none is yet, because there are topics now.

    Raises:
        SettingsError: It is another one.
        ArtifactError: The record of it cannot be read.
    """
    name = loaded.pipeline.topics.registry
    path = loaded.root / FOLDER / f"{name}.json"
    before = _read(path) if path.exists() else None
    if before is None:
        if keep:
            replace_file(path, json.dumps({"encoder": encoder}).encode() + b"\n")
        return
    if before != encoder:
        raise SettingsError(
            got=f"another encoder ({encoder[:8]}) than the one ({before[:8]}) that the topics in "
            f"the registry {name!r} were made with",
            expected="the encoder that their numbers and names rest on",
            fix="name that encoder in embed again, or begin a new list of topics with another "
            f"name in topics.registry, such as {name + '-new'!r}: its topics are made from the "
            "first partition on, and the old ones stay below the root until they are pruned",
        )


def _read(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["encoder"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            got=f"{path}, which cannot be read ({type(error).__name__})",
            expected="the record of the encoder that the topics were made with",
            fix="remove the file if the encoder was not changed, and run again",
        ) from error
