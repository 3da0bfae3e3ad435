"""Where below a root the vectors of an encoder are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.key import recipe
from fusemine.tasks.embed.encoders.files import SPACES
from fusemine.tasks.embed.precision import precision_of

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.tasks.embed.encoders.files import ModelFiles
    from fusemine.tasks.embed.settings import EmbedSettings


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
