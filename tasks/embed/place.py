"""Where below a root the vectors of an encoder are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.embed.files import SPACES
from tasks.embed.precision import precision_of
from tasks.keys import recipe

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.embed.files import ModelFiles
    from tasks.embed.settings import EmbedSettings


def space_folder(root: Path, settings: EmbedSettings, model: ModelFiles) -> Path:
    """The folder of the store's space that a run on this machine would read and fill.

    With `precision: auto` another type of machine may have another one.

    Args:
        root: Folder of the pipeline's artifacts.
        settings: How texts become vectors.
        model: The encoder.
    """
    values = {**settings.key_values(), "precision": precision_of(root, settings, model)}
    return root / "store" / recipe(SPACES[model.kind], (), values, model.fingerprint).key
