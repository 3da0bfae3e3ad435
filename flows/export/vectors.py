"""Writing the vectors of a run's window for other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.flows.export.results import check_folder, gone, inputs_of, last_report
from fusemine.tasks.core import vectors
from fusemine.tasks.core.artifact import MAIN, ArtifactRef, locate, read_table
from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.store import replacing
from fusemine.tasks.embed.contracts import EMBEDDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fusemine.flows.engine.config import Loaded

ROWS_PER_GROUP = 32_768
_TOLD = (b"model", b"precision")


def export_vectors(loaded: Loaded, partition: str | None, output: Path | None) -> str:
    """Write the vectors that the last complete run mined; a line that says what was written.

    The file has a row for each row in the window's partitions, oldest first: `row_id`,
    `partition` and `embedding`, a list of `dimension` float32 as mining reads it, of length 1 or,
    without a text, all zero. Rows that the window left out are among them. The schema's metadata
    names model, precision and dimension.

    Args:
        loaded: The pipeline.
        partition: Which partition's run; None for the newest.
        output: A `.parquet` file.

    Raises:
        SettingsError: There is no such run, or the output is not named so.
        ArtifactError: The vectors are gone, or the output cannot be written.
    """
    if output is None or output.suffix != ".parquet":
        raise SettingsError(
            got=f"--vectors with --output {output}" if output else "--vectors without --output",
            expected="--output with a name that ends in .parquet",
            fix="name it: --output vectors.parquet",
        )
    check_folder(output)
    report = last_report(loaded, partition)
    refs = inputs_of(report, "embed")
    if not refs:
        raise gone("vectors", loaded, report.partition)
    with replacing(output) as draft:
        rows = write_vectors(refs, draft)
    return f"{rows:,} vectors of the window of {report.partition} to {output}"


def write_vectors(embedded: Sequence[ArtifactRef], path: Path) -> int:
    """Write the vectors of some partitions as one Parquet file; how many these are.

    Args:
        embedded: The partitions' artifacts, at least one, all by one model.
        path: The file.

    Raises:
        ArtifactError: One of them is gone.
        ContractError: One of them is not what it should be.
    """
    schema = _schema(pq.read_schema(locate(embedded[0], f"{MAIN}.parquet")))
    rows = 0
    with pq.ParquetWriter(path, schema, use_dictionary=["partition"]) as writer:
        for ref in embedded:
            for table in _tables(ref, schema):
                writer.write_table(table)
                rows += table.num_rows
    return rows


def _schema(stored: pa.Schema) -> pa.Schema:
    width = np.dtype(vectors.dtype_of(stored)).itemsize
    dimension = stored.field("embedding").type.byte_width // width
    told = {name: (stored.metadata or {}).get(name, b"unknown") for name in _TOLD}
    columns = {
        "row_id": pa.string(),
        "partition": pa.string(),
        "embedding": pa.list_(pa.float32(), dimension),
    }
    return pa.schema(columns, metadata={**told, b"dimension": str(dimension).encode()})


def _tables(ref: ArtifactRef, schema: pa.Schema) -> Iterator[pa.Table]:
    """The vectors of one partition, some rows at a time."""
    stored = read_table(ref, EMBEDDINGS)
    partition = ref.partition
    for start in range(0, stored.num_rows, ROWS_PER_GROUP):
        rows = stored.slice(start, ROWS_PER_GROUP)
        exact = vectors.read_units(rows)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(exact.reshape(-1)), exact.shape[1])
        columns = [rows["row_id"].cast(pa.string()), [partition] * len(rows), lists]
        yield pa.table(dict(zip(schema.names, columns, strict=True)), schema=schema)

