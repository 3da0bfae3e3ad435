"""Scoring a file of new rows with a model, batch by batch, as a stage."""

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
from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.store import store_at
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.embed import columns_of, embed
from fusemine.tasks.embed.engine import engine_of
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.mine.anomalies.compute import row_columns as unusual
from fusemine.tasks.mine.classify.compute import row_columns as predicted
from fusemine.tasks.report.results import results
from fusemine.tasks.serving.predict.intake import Intake, Reading
from fusemine.tasks.serving.stored import TRAIN, load
from fusemine.tasks.sources.files import format_of, read_batches
from fusemine.tasks.sources.files_settings import Format
from fusemine.tasks.sources.streams import text_blocks
from fusemine.tasks.stats.ordered_pool import in_order
from fusemine.tasks.table.roles import TEXT, Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.embed.store.fill import Engine
    from fusemine.tasks.serving.predict.intake import CleanBatch
    from fusemine.tasks.serving.stored import Stored
    from fusemine.tasks.sources.files_settings import FilesSettings

TEXTS_TABLE = "texts"
"""The table of the texts as they were embedded."""
ROWS = 10_000
"""Rows that are scored at once."""
LONGEST = 60
_READ = {"format", "separator", "encoding"}


@dataclass(frozen=True)
class ToScore:
    """A file that is to be scored.

    Args:
        path: The file.
        name: What tables and manifests call it.
        settings: How it is read.
        base: Folder of the pipeline.yaml.
    """

    path: Path
    name: str
    settings: FilesSettings
    base: Path

    def resource(self, root: str) -> Resource:
        """The file as what a stage reads: its content counts, and who must be left out of it.

        Raises:
            SourceError: There is no such file.
        """
        if not self.path.is_file():
            raise SourceError(
                got=f"{'a folder' if self.path.is_dir() else 'no file'} at {self.path}",
                expected="a file of rows to score",
                fix="name one file; several are scored one after the other",
            )
        content = file_digest(self.path)
        key = {
            "content": content,
            "name": Path(self.name).name,
            "forgotten": sorted(read_forgotten(store_at(root))),
            "read": self.settings.model_dump(mode="json", include=_READ),
        }
        return Resource(self, key, {self.name: content})

    @property
    def partition(self) -> str:
        """What stands in an artifact's name in the place of a partition."""
        named = re.sub(r"[^a-z0-9]+", "-", self.path.name.lower()).strip("-")
        return named[:LONGEST] or "rows"

    def records(self) -> int:
        """How many records it has, or lines, which may be a few more."""
        form = self.settings.format or format_of(self.path)
        if form is Format.PARQUET:
            return int(pq.read_metadata(self.path).num_rows)
        return sum(block.count(b"\n") for block in text_blocks(self.path))


@dataclass(frozen=True)
class _Embedded:
    """A batch with the vectors of its texts (n, d)."""

    batch: CleanBatch
    vectors: NDArray[np.float32]


@dataclass(frozen=True)
class _Scored:
    """The results of a batch, its rejected rows, and the texts of the others."""

    table: pl.DataFrame
    rejected: pl.DataFrame
    texts: pl.DataFrame


@dataclass
class _Counts:
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


def run(inputs: Inputs, _: Settings | None, progress: Progress) -> Output:
    """Score a file's rows; nothing is kept of it unless all of it can be read.

    Raises:
        SourceError: The file is not what its name says, or lacks what the model reads.
        ModelError: The model cannot be used.
    """
    file: ToScore = inputs.resource("file")
    stored, found = load(inputs.ref("train")), _Counts()
    intake = Intake(_reading(stored, read_forgotten(inputs.store)))
    settings = inputs.section(EmbedSettings)
    engine = engine_of(inputs.root, settings, inputs.resource("encoder"))
    total = cache(file.records)
    batches = (
        _Embedded(batch, _vectors(batch.clean, engine, settings))
        for read in read_batches(file.path, file.settings, file.base, ROWS)
        for batch in [intake.take(read)]
    )
    score = partial(_scored, stored, inputs.graph)
    with (
        inputs.pieces(MAIN) as rows,
        inputs.pieces("rejected") as rejected,
        inputs.pieces(TEXTS_TABLE) as texts,
    ):
        for scored in in_order(score, batches):
            rows.write(scored.table)
            rejected.write(scored.rejected)
            texts.write(scored.texts)
            found.note(scored)
            progress(found.records, max(total(), found.records + 1), file.name)
        intake.check(file.name)
    progress(found.records, found.records, file.name)
    number = stored.scorer.classifier is not None and stored.scorer.classifier.number
    summary = _summary(file.name, stored, found, intake, number)
    return Output(tables={}, rows_in=found.records, rows_kept=found.rows, summary=summary)


def _reading(stored: Stored, forgotten: frozenset[str]) -> Reading:
    values = stored.about["settings"]["reading"]
    return Reading(
        columns=Columns.model_validate(values["columns"]),
        cleaning=CleanSettings.model_validate(values["clean"]),
        by=PartitionSettings.model_validate(values["partition"]),
        levels=stored.scorer.levels,
        forgotten=forgotten,
    )


def _scored(stored: Stored, graph: Graph, embedded: _Embedded) -> _Scored:
    """A batch's rows by the contract `results`."""
    batch, vectors = embedded.batch, embedded.vectors
    clean = batch.clean
    topics = clean.select("row_id", stored.topics.of(clean, vectors))
    predictions = stored.predictions(clean, vectors)
    anomalies = stored.scorer.anomalies(clean, vectors)
    parts = [predicted(predictions), topics, unusual(anomalies)]
    table = results(batch.raw, clean, parts, graph.row_columns)
    texts = clean.select("row_id", pl.col(f"^text$|^{re.escape(TEXT)}.*$"))
    return _Scored(table, batch.rejected, texts)


def _vectors(clean: pl.DataFrame, engine: Engine, settings: EmbedSettings) -> NDArray[np.float32]:
    """The texts' vectors as mining reads them from an artifact."""
    found = embed(columns_of(clean, settings), engine, _silent).matrix
    return unit(found) if found.dtype == np.float16 else found


def _silent(_texts: int, _tokens: int) -> None:
    """Hear of progress; rows are told of instead."""


def _summary(
    name: str, stored: Stored, told: _Counts, intake: Intake, number: bool
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
