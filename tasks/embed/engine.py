"""What embeds rows: the encoder, and where its vectors are kept."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tasks.embed.fill import Engine
from tasks.embed.languages import model_languages
from tasks.embed.load import load_encoder
from tasks.embed.place import space_folder
from tasks.embed.precision import precision_of
from tasks.embed.store import EmbeddingStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tasks.embed.encoder import Encoder
    from tasks.embed.files import ModelFiles
    from tasks.embed.settings import EmbedSettings


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
