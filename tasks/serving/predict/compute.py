"""The stage that scores a file of new rows with a model, batch by batch."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from fusemine.tasks.collect.forgotten import read_forgotten
from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.embed import columns_of, embed
from fusemine.tasks.embed.engine import engine_of
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.mine.anomalies.contracts import row_columns as anomaly_columns
from fusemine.tasks.mine.classify.contracts import row_columns as prediction_columns
from fusemine.tasks.report.results import results
from fusemine.tasks.serving.input_contract import InputContract
from fusemine.tasks.serving.predict.reader import RowReader
from fusemine.tasks.serving.stored import TRAIN, load_model
from fusemine.tasks.sources.files import Format, format_of, read_batches
from fusemine.tasks.sources.formats.text import text_blocks
from fusemine.tasks.sources.unchanged import content_of, unchanged
from fusemine.tasks.stats.threads import map_in_order
from fusemine.tasks.table.roles import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.serving.predict.reader import CleanBatch
    from fusemine.tasks.serving.stored import StoredModel
    from fusemine.tasks.sources.files import FilesSettings

ROWS = 10_000
"""Rows that are scored at once."""
LONGEST = 60
_READ = {"format", "separator", "encoding"}
Embedded = tuple["CleanBatch", "NDArray[np.float32]"]
"""A batch with the vectors of its texts (n, d)."""
Scored = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
"""A batch's results, by the contract `results`, its rejected rows, and the texts of the others."""


@dataclass(frozen=True)
class FileToScore:
    """A file that is to be scored.

    Args:
        path: The file.
        name: Its name in tables and manifests.
        settings: How it is read.
        base: Folder of the pipeline.yaml.
    """

    path: Path
    name: str
    settings: FilesSettings
    base: Path

    def resource(self, root: str) -> Resource:
        """The file as a resource: the key has its content, and the rows that must be left out.

        Raises:
            SourceError: There is no such file.
        """
        if not self.path.is_file():
            raise SourceError(
                got=f"{'a folder' if self.path.is_dir() else 'no file'} at {self.path}",
                expected="a file of rows to score",
                fix="name one file; several are scored one after the other",
            )
        content, _ = content_of(self.path)
        key = {
            "content": content,
            "name": Path(self.name).name,
            "forgotten": sorted(read_forgotten(store_at(root))),
            "read": self.settings.model_dump(mode="json", include=_READ),
        }
        return Resource(self, key, {self.name: content})

    @property
    def partition(self) -> str:
        """What an artifact's name has in the place of a partition."""
        named = re.sub(r"[^a-z0-9]+", "-", self.path.name.lower()).strip("-")
        return named[:LONGEST] or "rows"

    def records(self) -> int:
        """How many records it has, or lines, which may be a few more."""
        form = self.settings.format or format_of(self.path)
        if form is Format.PARQUET:
            return int(pq.read_metadata(self.path).num_rows)
        return sum(block.count(b"\n") for block in text_blocks(self.path))


@dataclass
class _Counts:
    """Counts over the scored rows so far, as the summary has them."""

    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    predictions: Counter[str] = field(default_factory=Counter)
    flagged: int = 0
    learnt_from: int = 0

    @property
    def records(self) -> int:
        return self.rows + self.rejected.total()

    def add(self, table: pl.DataFrame, rejected: pl.DataFrame, number: bool) -> None:
        self.rows += table.height
        self.rejected.update(rejected["rule"])
        self.predictions.update([] if number else table["prediction"].drop_nulls())
        self.flagged += int(table["anomaly_flagged"].sum())
        self.learnt_from += int((table["split"] == TRAIN).sum())

    def found(self) -> dict[str, Any]:
        return {
            name: dict(sorted(value.items())) if isinstance(value, Counter) else value
            for name, value in vars(self).items()
        }


def run(inputs: Inputs, _: Settings | None, progress: Progress) -> Output:
    """Score a file's rows; nothing is stored unless all of it can be read.

    Raises:
        SourceError: The file is not what its name promises, or lacks what the model reads.
        ModelError: The model cannot be used.
    """
    file: FileToScore = inputs.resource("file")
    model, counts, total = load_model(inputs.ref("train")), _Counts(), cache(file.records)
    classifier, values = model.scorer.classifier, model.about["settings"]["reading"]
    number = classifier is not None and classifier.number
    contract = InputContract.of(values, model.scorer.levels, read_forgotten(inputs.store))
    reader = RowReader(contract)
    with (
        inputs.writer(MAIN) as rows,
        inputs.writer("rejected") as rejected_rows,
        inputs.writer("texts") as text_rows,
    ):
        for table, rejected, texts in _scored(inputs, file, model, reader):
            rows.write(table)
            rejected_rows.write(rejected)
            text_rows.write(texts)
            counts.add(table, rejected, number)
            progress(counts.records, max(total(), counts.records + 1), file.name)
        reader.check(file.name)
    progress(counts.records, counts.records, file.name)
    found = {"file": file.name, "model": model.about["id"], **counts.found(), **reader.notes()}
    return Output(tables={}, rows_in=counts.records, rows_kept=counts.rows, summary=found)


def _scored(
    inputs: Inputs, file: FileToScore, model: StoredModel, reader: RowReader
) -> Iterator[Scored]:
    """The file's batches, which are read and embedded one by one and scored in parallel."""
    rows = read_batches(file.path, file.settings, file.base, ROWS)
    batches = (
        (batch, _vectors(batch.clean, inputs))
        for read in unchanged(rows, file.path, inputs.request.job.sources[file.name])
        for batch in [reader.read(read)]
    )
    return map_in_order(partial(_score, model, inputs.graph), batches)


def _score(model: StoredModel, graph: Graph, embedded: Embedded) -> Scored:
    batch, vectors = embedded
    clean = batch.clean
    parts = [
        prediction_columns(model.predictions(clean, vectors)),
        clean.select("row_id", model.topics.of(clean, vectors)),
        anomaly_columns(model.scorer.anomalies(clean, vectors)),
    ]
    table = results(batch.raw, clean, parts, graph.row_columns)
    texts = clean.select("row_id", pl.col(f"^text$|^{re.escape(TEXT)}.*$"))
    return table, batch.rejected, texts


def _vectors(clean: pl.DataFrame, inputs: Inputs) -> NDArray[np.float32]:
    """The texts' vectors (n, d) as mining reads them from an artifact."""
    settings, spec = inputs.section(EmbedSettings), inputs.resource("encoder")
    engine = engine_of(inputs.root, settings, spec)
    with inputs.device() if spec.uses_device else nullcontext():
        found = embed(columns_of(clean, settings), engine).matrix
    return unit(found) if found.dtype == np.float16 else found
