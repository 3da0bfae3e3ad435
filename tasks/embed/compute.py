"""Embedding one partition, as a stage."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fusemine.tasks.core import vectors
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.embed.embed import Embedded, columns_of, embed
from fusemine.tasks.embed.engine import engine_of

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.embed.fill import Engine
    from fusemine.tasks.embed.settings import EmbedSettings
    from fusemine.tasks.embed.store.space import Facts


def run(inputs: Inputs, settings: EmbedSettings, progress: Progress) -> Output:
    """Embed the texts of one partition; loads the model only if a text is not stored yet."""
    rows, spec = inputs.frame("clean"), inputs.resource("encoder")
    engine = engine_of(inputs.root, settings, spec)
    with inputs.device() if spec.uses_device else nullcontext():
        result = embed(columns_of(rows, settings), engine, _Throughput(progress))
    _warn(inputs, result, engine)
    facts = engine.facts()
    return Output(
        tables={MAIN: _table(rows["row_id"].to_list(), result, facts)},
        rows_in=rows.height,
        rows_kept=rows.height,
        summary=_summary(result, facts),
    )


@dataclass
class _Throughput:
    """Reports how far embedding is, and how fast the encoder is since its first texts."""

    progress: Progress
    done: int = 0
    computed: int = 0
    tokens: int = 0
    started: float = field(default_factory=time.monotonic)

    def __call__(self, texts: int, tokens: int) -> None:
        """Count texts; those without tokens were found in the store."""
        self.done += texts
        if tokens:
            self.computed += texts
            self.tokens += tokens
        self.progress(self.done, self.done, self._note())

    def _note(self) -> str:
        seconds = time.monotonic() - self.started
        if not self.tokens or seconds <= 0:
            return ""
        return f"{self.computed / seconds:,.0f} texts/s, {self.tokens / seconds:,.0f} tokens/s"


def _warn(inputs: Inputs, result: Embedded, engine: Engine) -> None:
    """Log what a reader should look into; texts themselves stay out of it."""
    if engine.vectors.damaged:
        inputs.log(
            logging.WARNING,
            f"{inputs.partition}: {len(engine.vectors.damaged)} damaged file(s) of the embedding "
            "store set aside, their texts embedded again",
        )
        engine.vectors.damaged.clear()
    if result.foreign:
        counts = ", ".join(f"{name} {count}" for name, count in result.foreign.items())
        inputs.log(
            logging.WARNING,
            f"{inputs.partition}: {sum(result.foreign.values())} of {result.distinct} texts seem "
            f"to be in a language that {engine.settings.model} does not read ({counts})",
        )


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
        **facts.model_dump(exclude={"settings"}),
        "distinct_texts": result.distinct,
        "tokens": result.tokens,
        "long_texts": result.long,
        "foreign_texts": result.foreign,
    }
