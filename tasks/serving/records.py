"""The registry of models below a root: one file, changed by one process at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.io import replace_file
from fusemine.tasks.core.locks import one_by_one
from fusemine.tasks.serving.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDER, NAME = "models", "registry.json"


def read_registry(root: Path) -> Registry:
    """The models of a pipeline; none before the first.

    Raises:
        ArtifactError: The file cannot be read.
    """
    path = root / FOLDER / NAME
    try:
        return Registry.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Registry()
    except (OSError, ValidationError) as error:
        raise ArtifactError(
            got=f"{path}, which cannot be read ({type(error).__name__})",
            expected="the registry of the models that were trained",
            fix="restore the file from a copy; without it the next run begins a new registry, and "
            "its model will be the one in use",
        ) from error


def change_registry(root: Path, change: Callable[[Registry], Registry]) -> Registry:
    """Change the registry, as it is at that moment, and give it as it is then.

    Raises:
        ArtifactError: The file cannot be read.
        SettingsError: It cannot be written.
    """
    with one_by_one(root / FOLDER):
        before = read_registry(root)
        after = change(before)
        if after != before:
            replace_file(root / FOLDER / NAME, after.model_dump_json(indent=1).encode() + b"\n")
    return after
