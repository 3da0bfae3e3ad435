"""Embedding as a Prefect task."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa
from prefect import get_run_logger

from tasks import vectors
from tasks.artifacts import MAIN, ArtifactRef, Draft, Job, read_frame
from tasks.contracts import CLEAN, EMBEDDINGS
from tasks.embed.embed import Embedded, embed
from tasks.embed.model import Encoder, ModelFiles, load_encoder, resolve_device
from tasks.embed.store import EmbeddingStore
from tasks.keys import Stage, recipe
from tasks.locks import device_lock
from tasks.task import execute, stage_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tasks.embed.settings import EmbedSettings

STAGE = Stage(
    "embed",
    ("tasks.embed.embed",),
    ("numpy", "pyarrow", "sentence-transformers", "tokenizers", "torch", "transformers"),
)
PRECISION = "float32"


def embed_job(
    root: Path, partition: str, cleaned: ArtifactRef, settings: EmbedSettings, model: ModelFiles
) -> Job:
    """The job of embedding one partition."""
    values = settings.model_dump(mode="json", exclude={"model", "device"})
    made_of = recipe(STAGE, (cleaned.sha256,), values, model.fingerprint)
    return Job(root, STAGE.name, partition, made_of, (cleaned.name,))


@stage_task("embed", "embed-{job.partition}")
def embed_partition(
    job: Job,
    cleaned: ArtifactRef,
    settings: EmbedSettings,
    model: ModelFiles,
    progress: Callable[[int], None],
) -> ArtifactRef:
    """Embed the texts of one partition; loads the model only if a text is not stored yet."""

    def work(draft: Draft) -> None:
        rows = read_frame(cleaned, CLEAN)
        with device_lock(resolve_device(settings.device), get_run_logger().info):
            encoder = load_encoder(model.folder, settings)
            store = _open_store(_space(job, settings, model), encoder.dimension)
            result = embed(rows["text"], encoder, store, settings.batch_tokens, progress)
        draft.table(MAIN, _table(rows["row_id"].to_list(), result, encoder, settings), EMBEDDINGS)
        draft.json("summary.json", _summary(result, encoder, settings))
        draft.count(rows.height, rows.height, 0)

    return execute(job, work)


def _space(job: Job, settings: EmbedSettings, model: ModelFiles) -> Path:
    """The store's folder for this model and these settings; code that only plans does not count."""
    values = settings.model_dump(mode="json", exclude={"model", "device"})
    return job.root / "store" / recipe(_SPACE, (), values, model.fingerprint).key


_SPACE = Stage("store", ("tasks.embed.model",), STAGE.libraries)


@lru_cache(maxsize=1)
def _open_store(folder: Path, dimension: int) -> EmbeddingStore:
    """The open store of this process, so that a run over many partitions reads it once."""
    return EmbeddingStore(folder, dimension)


def _table(
    row_ids: list[str], result: Embedded, encoder: Encoder, settings: EmbedSettings
) -> pa.Table:
    metadata = {
        "dtype": "float32",
        "dimension": str(encoder.dimension),
        "model": settings.model,
        "precision": PRECISION,
    }
    columns = {
        "row_id": pa.array(row_ids, pa.string()),
        "embedding": vectors.to_arrow(result.matrix),
    }
    return pa.table(columns).replace_schema_metadata(metadata)


def _summary(result: Embedded, encoder: Encoder, settings: EmbedSettings) -> dict[str, object]:
    return {
        "model": settings.model,
        "dimension": encoder.dimension,
        "max_tokens": encoder.max_tokens,
        "precision": PRECISION,
        "distinct_texts": result.distinct,
        "truncated_texts": result.truncated,
    }
