"""Embedding texts that no row has, such as one with a word left out; nothing of it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusemine.tasks.core.device import device_lock, resolve_device
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.encoders.models import load_encoder
from fusemine.tasks.embed.encoders.pieces import pool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fusemine.tasks.embed.encoders.models import ModelFiles
    from fusemine.tasks.embed.engine import EncoderSpec
    from fusemine.tasks.embed.settings import EmbedSettings, Precision


@dataclass(frozen=True)
class Embedder:
    """Embeds texts as the rows' texts were embedded.

    Args:
        model: The encoder's files.
        settings: How texts become vectors.
        precision: Of the computation, as resolved.
    """

    model: ModelFiles
    settings: EmbedSettings
    precision: Precision

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors, float32 of shape (texts, dimension)."""
        with device_lock(resolve_device(self.settings.device), lambda _: None):
            encoder = load_encoder(self.model, self.settings, self.precision)
            prepared = encoder.prepare(texts)
            pieces = encoder.encode(prepared)
        return unit(pool(pieces, prepared.owners, prepared.sizes, self.settings))


def embedder(spec: EncoderSpec, settings: EmbedSettings) -> Embedder | None:
    """What embeds single texts, or None where it cannot or should not.

    An endpoint would have to be paid for it, and rows whose columns are embedded apart have no
    one text.
    """
    if spec.model.folder is None or settings.columns != "joined":
        return None
    return Embedder(spec.model, settings, spec.precision)
