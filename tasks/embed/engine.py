"""What embeds rows: the encoder, and where its vectors are kept."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from fusemine.tasks.embed.encoders.load import load_encoder
from fusemine.tasks.embed.languages import model_languages
from fusemine.tasks.embed.precision import precision_of
from fusemine.tasks.embed.store.fill import Engine
from fusemine.tasks.embed.store.path import space_folder
from fusemine.tasks.embed.store.store import EmbeddingStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusemine.tasks.embed.encoders.encoder import Encoder
    from fusemine.tasks.embed.encoders.files import ModelFiles
    from fusemine.tasks.embed.settings import EmbedSettings


def engine_of(
    root: Path, settings: EmbedSettings, model: ModelFiles, api_key: Callable[[], str | None]
) -> Engine:
    """What embeds the rows of a pipeline.

    Args:
        root: Folder of the pipeline's artifacts.
        settings: How texts become vectors.
        model: The encoder.
        api_key: Gives the key of an endpoint that wants one; asked only if it is needed.
    """
    precision = precision_of(root, settings, model)
    folder = space_folder(root, settings, model)

    def load() -> Encoder:
        return load_encoder(model, settings, precision, api_key())

    return Engine(
        load=load,
        store=_open_store(folder, settings.storage),
        folder=folder,
        settings=settings,
        precision=precision,
        languages=tuple(languages_of(settings, model)),
    )


@lru_cache(maxsize=1)
def _open_store(folder: Path, dtype: str) -> EmbeddingStore:
    """The open store of this process, so that a run over many partitions reads it once."""
    return EmbeddingStore(folder, dtype)


def languages_of(settings: EmbedSettings, model: ModelFiles) -> list[str]:
    """What the encoder reads, where something or somebody says so."""
    if settings.languages is not None or model.folder is None:
        return list(settings.languages or [])
    return model_languages(model.folder) or []
