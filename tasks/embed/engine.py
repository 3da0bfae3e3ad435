"""What embeds rows: the encoder of a pipeline, and where its vectors are kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.embed.encoders.endpoint.response import HINTS
from fusemine.tasks.embed.encoders.kinds import KINDS
from fusemine.tasks.embed.encoders.models import ModelFiles, find_model, load_encoder
from fusemine.tasks.embed.fill import Engine
from fusemine.tasks.embed.languages import model_languages
from fusemine.tasks.embed.precision import precision_of, resolve_precision
from fusemine.tasks.embed.settings import EmbedSettings, Precision
from fusemine.tasks.embed.store.space import adopt, space_of
from fusemine.tasks.embed.store.store import EmbeddingStore
from fusemine.tasks.llm.api_key import read_api_key

if TYPE_CHECKING:
    from fusemine.tasks.core.request import Context
    from fusemine.tasks.core.storage.store import Store
    from fusemine.tasks.embed.encoders.encoder import Encoder


@dataclass(frozen=True)
class EncoderSpec:
    """The encoder of a pipeline.

    Args:
        model: Its files.
        precision: Of the computation, as resolved.
        languages: What it reads, where the settings or its README.md say so.
    """

    model: ModelFiles
    precision: Precision
    languages: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Hash of all that can change a vector."""
        return self.model.fingerprint

    @property
    def uses_device(self) -> bool:
        """Whether it computes where `embed.device` says."""
        return self.model.kind not in ("endpoint", "static")


def provide(context: Context, _: tuple[str, ...]) -> Resource:
    """The encoder of a pipeline.

    In a run its precision is resolved, and vectors of earlier versions are taken over.

    Raises:
        ModelError: It cannot be had.
    """
    spec: EncoderSpec = context.once("encoder", lambda: _find(context))
    key = {
        "model": spec.fingerprint,
        "kind": spec.model.kind,
        "precision": spec.precision,
        "languages": list(spec.languages),
        **KINDS[spec.model.kind].key_values(),
    }
    return Resource(spec, key)


def _find(context: Context) -> EncoderSpec:
    settings, store = context.pipeline.section(EmbedSettings), store_at(context.root)
    model = find_model(settings, context.base)
    if context.running:
        resolve_precision(store, settings, model)
    spec = spec_of(store, settings, model)
    if context.running:
        adopt(store, settings, model, spec.precision)
    return spec


def spec_of(store: Store, settings: EmbedSettings, model: ModelFiles) -> EncoderSpec:
    """The encoder as far as it is known; nothing is computed or written."""
    languages = settings.languages
    if languages is None and model.folder is not None:
        languages = model_languages(model.folder)
    return EncoderSpec(model, precision_of(store, settings, model), tuple(languages or []))


def engine_of(root: str, settings: EmbedSettings, spec: EncoderSpec) -> Engine:
    """What embeds the rows of a pipeline.

    Args:
        root: Where the pipeline keeps its artifacts.
        settings: How texts become vectors.
        spec: The encoder.
    """

    def load() -> Encoder:
        key = None if settings.endpoint is None else read_api_key(settings.endpoint, HINTS)
        return load_encoder(spec.model, settings, spec.precision, key)

    return Engine(
        load=load,
        vectors=_open_store(root, space_of(settings, spec.model, spec.precision), settings.storage),
        settings=settings,
        precision=spec.precision,
        languages=spec.languages,
    )


@lru_cache(maxsize=1)
def _open_store(root: str, space: str, dtype: str) -> EmbeddingStore:
    """The open store of this process, so that a run over many partitions reads it once."""
    return EmbeddingStore(store_at(root), space, dtype)
