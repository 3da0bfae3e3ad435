"""What embeds rows: the encoder, and where its vectors are kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.store import store_at
from fusemine.tasks.embed.encoders.endpoint.response import SECTION
from fusemine.tasks.embed.encoders.files import ModelFiles, find_model
from fusemine.tasks.embed.encoders.kinds import KINDS
from fusemine.tasks.embed.encoders.load import load_encoder
from fusemine.tasks.embed.languages import model_languages
from fusemine.tasks.embed.precision import precision_of, settle_precision
from fusemine.tasks.embed.settings import EmbedSettings, Precision
from fusemine.tasks.embed.store.fill import Engine
from fusemine.tasks.embed.store.path import adopt, space_of
from fusemine.tasks.embed.store.store import EmbeddingStore
from fusemine.tasks.llm.api_key import key_of

if TYPE_CHECKING:
    from fusemine.tasks.core.request import Context
    from fusemine.tasks.core.store import Store
    from fusemine.tasks.embed.encoders.encoder import Encoder


@dataclass(frozen=True)
class Found:
    """The encoder of a pipeline.

    Args:
        model: Its files.
        precision: Of the computation, as resolved.
        languages: What it reads, where something or somebody says so.
    """

    model: ModelFiles
    precision: Precision
    languages: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Hash of all that can change a vector."""
        return self.model.fingerprint


def provide(context: Context, _: tuple[str, ...]) -> Resource:
    """The encoder of a pipeline.

    Raises:
        ModelError: It cannot be had.
    """
    found: Found = context.once("encoder", lambda: _find(context))
    kind = KINDS[found.model.kind]
    key = {
        "model": found.fingerprint,
        "kind": found.model.kind,
        "precision": found.precision,
        "languages": list(found.languages),
        **kind.key_values(),
    }
    return Resource(found, key)


def _find(context: Context) -> Found:
    settings, store = context.pipeline.section(EmbedSettings), store_at(context.root)
    model = find_model(settings, context.base)
    return settled(store, settings, model) if context.running else look(store, settings, model)


def look(store: Store, settings: EmbedSettings, model: ModelFiles) -> Found:
    """The encoder as far as it is known; nothing is computed or written."""
    precision = precision_of(store, settings, model)
    return Found(model, precision, languages_of(settings, model))


def settled(store: Store, settings: EmbedSettings, model: ModelFiles) -> Found:
    """The encoder with the precision that its vectors will have, and the vectors that there are."""
    settle_precision(store, settings, model)
    found = look(store, settings, model)
    adopt(store, settings, model, found.precision)
    return found


def engine_of(root: str, settings: EmbedSettings, found: Found) -> Engine:
    """What embeds the rows of a pipeline.

    Args:
        root: Where the pipeline keeps its artifacts.
        settings: How texts become vectors.
        found: The encoder.
    """
    space = space_of(settings, found.model, found.precision)

    def load() -> Encoder:
        key = None if settings.endpoint is None else key_of(settings.endpoint, SECTION)
        return load_encoder(found.model, settings, found.precision, key)

    return Engine(
        load=load,
        store=_open_store(root, space, settings.storage),
        place=store_at(root),
        space=space,
        settings=settings,
        precision=found.precision,
        languages=found.languages,
    )


@lru_cache(maxsize=1)
def _open_store(root: str, space: str, dtype: str) -> EmbeddingStore:
    """The open store of this process, so that a run over many partitions reads it once."""
    return EmbeddingStore(store_at(root), space, dtype)


def languages_of(settings: EmbedSettings, model: ModelFiles) -> tuple[str, ...]:
    """What the encoder reads, where something or somebody says so."""
    if settings.languages is not None or model.folder is None:
        return tuple(settings.languages or [])
    return tuple(model_languages(model.folder) or [])
