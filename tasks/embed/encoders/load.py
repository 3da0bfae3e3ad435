"""Loading the encoder that a model's files ask for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from fusemine.tasks.core.stage import load
from fusemine.tasks.embed.encoders.kinds import KINDS
from fusemine.tasks.embed.settings import EmbedSettings, Precision

if TYPE_CHECKING:
    from fusemine.tasks.embed.encoders.encoder import Encoder
    from fusemine.tasks.embed.encoders.files import ModelFiles


def load_encoder(
    model: ModelFiles, settings: EmbedSettings, precision: Precision, api_key: str | None = None
) -> Encoder:
    """Load a model; the last one stays loaded, because loading takes seconds.

    Args:
        model: What is loaded.
        settings: How to use it.
        precision: Of the computation, as resolved.
        api_key: Of an endpoint that wants one.

    Raises:
        ModelError: The files hold no model.
    """
    return _loaded(model, settings.model_dump_json(), precision, api_key)


@lru_cache(maxsize=1)
def _loaded(model: ModelFiles, settings: str, precision: Precision, key: str | None) -> Encoder:
    values = EmbedSettings.model_validate_json(settings)
    made: Encoder = load(KINDS[model.kind].load)(model, values, precision, key)
    return made
