"""Scoring a file of new rows with a model, batch by batch."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.collect.forgotten import read_forgotten
from fusemine.tasks.core import progress
from fusemine.tasks.core.artifact import MAIN, Job
from fusemine.tasks.core.contract import REJECTED, RESULTS, TEXT, TEXTS
from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.key import Stage, digest, file_digest, package_hash, recipe
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.core.windowed import SUMMARY
from fusemine.tasks.embed.embed import columns_of, embed
from fusemine.tasks.embed.engine import engine_of
from fusemine.tasks.report.results import results
from fusemine.tasks.serving.predict.intake import Intake, Reading
from fusemine.tasks.serving.stored import TRAIN, load
from fusemine.tasks.sources.files import format_of, read_batches, source_name
from fusemine.tasks.sources.settings import Format
from fusemine.tasks.sources.streams import text_blocks
from fusemine.tasks.stats.ordered_pool import in_order
from fusemine.tasks.table.roles import Columns
from fusemine.tasks.upkeep.places import SAID

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fusemine.tasks.core.artifact import ArtifactRef, Draft
    from fusemine.tasks.embed.encoders.files import ModelFiles
    from fusemine.tasks.embed.settings import EmbedSettings
    from fusemine.tasks.embed.store.fill import Engine
    from fusemine.tasks.serving.predict.intake import Batch
    from fusemine.tasks.serving.stored import Stored
    from fusemine.tasks.sources.settings import SourceSettings

PREDICT = Stage(
    "predict", (), ("numpy", "polars", "pyarrow", "scikit-learn", "scipy", "skops", "torch")
)
"""Its key takes the source of all tasks: nearly all of it is used, and parsing it takes longer than
scoring a row."""
ROWS = 10_000
"""Rows that are scored at once."""
LONGEST = 60


@dataclass(frozen=True)
class Request:
    """A file that is to be scored.

    Attributes:
        root: Folder of the pipeline's artifacts.
        base: Folder of the pipeline.yaml, which the file's name is told from.
        path: The file.
        source: How it is read.
        embed: How texts become vectors; where, rather, as the model decides the rest.
        encoder: The encoder.
        model: The model.
    """

    root: Path
    base: Path
    path: Path
    source: SourceSettings
    embed: EmbedSettings
    encoder: ModelFiles
    model: ArtifactRef

    def job(self) -> Job:
        """The job of scoring it; what was scored before is found again.

        Raises:
            SourceError: There is no such file.
        """
        if not self.path.is_file():
            raise SourceError(
                got=f"{'a folder' if self.path.is_dir() else 'no file'} at {self.path}",
                expected="a file of rows to score",
                fix="name one file; several are scored one after the other",
            )
        content, name = file_digest(self.path), source_name(self.path, self.base)
        forgotten = digest(sorted(read_forgotten(self.root)))
        inputs = (content, Path(name).name, self.model.sha256, forgotten)
        read = self.source.model_dump(mode="json", include={"format", "separator", "encoding"})
        values = {"source": read, "code": package_hash("tasks")}
        made_of = recipe(PREDICT, inputs, values, self.encoder.fingerprint)
        place = re.sub(r"[^a-z0-9]+", "-", self.path.name.lower()).strip("-")[:LONGEST] or "rows"
        return Job(
            self.root, PREDICT.name, place, made_of, (self.model.name,), sources={name: content}
        )


@dataclass(frozen=True)
class _Embedded:
    """A batch with the vectors of its texts (n, d)."""

    batch: Batch
    vectors: NDArray[np.float32]


@dataclass(frozen=True)
class _Scored:
    """The results of a batch, its rejected rows, and the texts of the others."""

    table: pl.DataFrame
    rejected: pl.DataFrame
    texts: pl.DataFrame


@dataclass
class _Told:
    """What was found of the rows so far."""

    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    predictions: Counter[str] = field(default_factory=Counter)
    flagged: int = 0
    learnt_from: int = 0

    @property
    def records(self) -> int:
        return self.rows + sum(self.rejected.values())

    def note(self, scored: _Scored) -> None:
        table = scored.table
        self.rows += table.height
        self.rejected.update(scored.rejected["rule"])
        self.predictions.update(table["prediction"].drop_nulls())
        self.flagged += int(table["anomaly_flagged"].sum())
        self.learnt_from += int((table["split"] == TRAIN).sum())


def predict(draft: Draft, request: Request, api_key: Callable[[], str | None]) -> None:
    """Score a file's rows; nothing is kept of it unless all of it can be read.

    Args:
        draft: Where the results, what was rejected, and a summary are written.
        request: The file and the model.
        api_key: Gives the key of an endpoint that wants one.

    Raises:
        SourceError: The file is not what its name says, or lacks what the model reads.
        ModelError: The model cannot be used.
    """
    stored, told = load(request.model), _Told()
    intake = Intake(_reading(request, stored))
    engine = engine_of(request.root, request.embed, request.encoder, api_key)
    name, total = source_name(request.path, request.base), cache(partial(_records, request))
    batches = (
        _Embedded(batch, _vectors(batch.clean, engine, request.embed))
        for file in read_batches(request.path, request.source, request.base, ROWS)
        for batch in [intake.take(file)]
    )
    with (
        draft.piecewise(MAIN, RESULTS) as rows,
        draft.piecewise("rejected", REJECTED) as rejected,
        draft.piecewise(SAID, TEXTS) as texts,
    ):
        for scored in in_order(partial(_scored, stored), batches):
            rows.write(scored.table)
            rejected.write(scored.rejected)
            texts.write(scored.texts)
            told.note(scored)
            progress.report("predict", told.records, max(total(), told.records + 1), name)
        intake.check(name)
    progress.report("predict", told.records, told.records, name)
    number = stored.scorer.classifier is not None and stored.scorer.classifier.number
    draft.json(SUMMARY, _summary(name, stored, told, intake, number))
    draft.count(told.records, told.rows, told.records - told.rows)


def _reading(request: Request, stored: Stored) -> Reading:
    values = stored.about["settings"]["reading"]
    return Reading(
        columns=Columns.model_validate(values["columns"]),
        cleaning=CleanSettings.model_validate(values["clean"]),
        by=PartitionSettings.model_validate(values["partition"]),
        levels=stored.scorer.levels,
        forgotten=read_forgotten(request.root),
    )


def _records(request: Request) -> int:
    """How many records a file has, or lines, which may be a few more."""
    path, form = request.path, request.source.format or format_of(request.path)
    if form is Format.PARQUET:
        return int(pq.read_metadata(path).num_rows)
    return sum(block.count(b"\n") for block in text_blocks(path))


def _scored(stored: Stored, embedded: _Embedded) -> _Scored:
    """A batch's rows by the contract `results`."""
    batch, vectors = embedded.batch, embedded.vectors
    clean = batch.clean
    topics = clean.select("row_id", stored.topics.of(clean, vectors))
    predictions = stored.predictions(clean, vectors)
    anomalies = stored.scorer.anomalies(clean, vectors)
    table = results(batch.raw, clean, predictions, topics, anomalies)
    texts = clean.select("row_id", pl.col(f"^text$|^{re.escape(TEXT)}.*$"))
    return _Scored(table, batch.rejected, texts)


def _vectors(clean: pl.DataFrame, engine: Engine, settings: EmbedSettings) -> NDArray[np.float32]:
    """The texts' vectors as mining reads them from an artifact."""
    found = embed(columns_of(clean, settings), engine, _silent).matrix
    return unit(found) if found.dtype == np.float16 else found


def _silent(_texts: int, _tokens: int) -> None:
    """Hear of progress; rows are told of instead."""


def _summary(
    name: str, stored: Stored, told: _Told, intake: Intake, number: bool
) -> dict[str, Any]:
    return {
        "file": name,
        "model": stored.about["id"],
        "rows": told.rows,
        "rejected": dict(sorted(told.rejected.items())),
        "predictions": {} if number else dict(sorted(told.predictions.items())),
        "flagged": told.flagged,
        "learnt_from": told.learnt_from,
        **intake.notes(),
    }
