"""Writing a run's results, and the vectors of its window, as tables for other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.flows.config.output import check_output, writing, writing_to
from fusemine.tasks.core import vectors
from fusemine.tasks.core.errors import ArtifactError, SettingsError, nearest
from fusemine.tasks.core.partition import is_partition
from fusemine.tasks.core.storage.artifact import (
    MAIN,
    has_file,
    locate,
    manifest_of,
    read_frame,
    read_manifest,
    read_table,
    ref_of,
)
from fusemine.tasks.embed.contracts import EMBEDDINGS
from fusemine.tasks.inventory.compute import COLLECT
from fusemine.tasks.report.contracts import RESULTS
from fusemine.tasks.sources.files import FilesSettings
from fusemine.tasks.upkeep.latest import Latest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import polars as pl

    from fusemine.flows.config.pipeline import Loaded
    from fusemine.tasks.core.storage.artifact import ArtifactRef


ROWS_PER_GROUP = 32_768
"""Vectors that are in memory at once, and in one group of the file."""


def export_results(
    loaded: Loaded,
    partition: str | None,
    output: Path | None,
    stdout: BinaryIO,
    force: bool = False,
) -> str:
    """Write the results of the last complete run; a line on what was written.

    Args:
        loaded: The pipeline.
        partition: Which partition's run; None for the newest.
        output: A `.csv` or `.parquet` file; None for CSV on `stdout`.
        stdout: Standard output, in bytes.
        force: Whether a file that is there may be replaced.

    Raises:
        SettingsError: There is no such run, or nothing may be written there.
        ArtifactError: The results are gone, or the output cannot be written.
    """
    check_output(output, force, loaded)
    report = last_report(loaded, partition)
    table = read_frame(report, RESULTS)
    write_table(table, output, stdout)
    place = output or "standard output"
    line = f"{table.height:,} rows of the window of {report.partition} to {place}"
    return line + note_on_source(loaded, report)


def export_vectors(
    loaded: Loaded, partition: str | None, output: Path | None, force: bool = False
) -> str:
    """Write the vectors that the last complete run mined; a line on what was written.

    The file has a row for each row in the window's partitions, oldest first: `row_id`,
    `partition` and `embedding`, a list of `dimension` float32 as mining reads it, of length 1 or,
    without a text, all zero. Rows that the window left out are among them. The schema's metadata
    names model, precision and dimension.

    Args:
        loaded: The pipeline.
        partition: Which partition's run; None for the newest.
        output: A `.parquet` file.
        force: Whether a file that is there may be replaced.

    Raises:
        SettingsError: There is no such run, or nothing may be written there.
        ArtifactError: The vectors are gone, or the output cannot be written.
    """
    if output is None:
        raise SettingsError(
            got="--vectors without --output",
            expected="--output with a name that ends in .parquet",
            fix="name it: --output vectors.parquet",
        )
    check_output(output, force, loaded, [".parquet"])
    report = last_report(loaded, partition)
    refs = require_inputs(loaded, report, "embed", "vectors")
    with writing(output) as draft:
        rows = write_vectors(refs, draft)
    line = f"{rows:,} vectors of the window of {report.partition} to {output}"
    return line + note_on_source(loaded, report)


def note_on_source(loaded: Loaded, report: ArtifactRef) -> str:
    """A line on the files that a run has read and that are gone since, or nothing."""
    if not isinstance(loaded.pipeline.source, FilesSettings):
        return ""
    read = {name for ref in inputs_of(report, COLLECT) for name in read_manifest(ref).sources}
    gone = sorted(name for name in read if not (loaded.base / name).exists())
    if not gone:
        return ""
    more = f" and {len(gone) - 1:,} more" if len(gone) > 1 else ""
    return (
        f"\nnote: rows of {gone[0]}{more} are among them, which the source no longer has; "
        "a new run leaves them out"
    )


def write_table(
    table: pl.DataFrame, output: Path | None, stdout: BinaryIO, bom: bool = False
) -> None:
    """Write a table in the form of the output's name, or as CSV to standard output.

    Args:
        table: The table.
        output: A `.csv` or `.parquet` file; None for CSV on `stdout`.
        stdout: Standard output, in bytes.
        bom: Whether a CSV file begins with the mark by which spreadsheets know UTF-8.

    Raises:
        ArtifactError: It cannot be written.
    """
    if output is None:
        with writing_to(stdout):
            stdout.write(table.write_csv().encode())
        return
    with writing(output) as draft:
        if output.suffix == ".csv":
            table.write_csv(draft, include_bom=bom)
        else:
            table.write_parquet(draft)


def last_report(loaded: Loaded, partition: str | None) -> ArtifactRef:
    """The report of the last complete run.

    Args:
        loaded: The pipeline.
        partition: Which partition's run; None for the newest.

    Raises:
        SettingsError: There is no such run.
        ArtifactError: The report is gone.
    """
    latest = Latest(loaded.store)
    partition = _partition(loaded, latest, partition)
    ref = ref_of(loaded.store.root, latest.report(partition) or "")
    if ref is None:
        raise _changed("results", loaded, partition)
    return ref


def tables_of(loaded: Loaded, name: str, partition: str | None) -> list[str]:
    """The Parquet files of a table that the last complete run made or read.

    Args:
        loaded: The pipeline.
        name: A stage, such as `topics`, for its main table, or `topics/themes` for another.
        partition: Which partition's run; None for the newest.

    Returns:
        A file for each partition that the stage has a table for, oldest partition first.

    Raises:
        SettingsError: There is no such run or table.
        ArtifactError: The table is gone.
    """
    report = last_report(loaded, partition)
    stage, _, table = name.partition("/")
    refs = [report] if stage == report.stage else inputs_of(report, stage)
    file = f"{table or MAIN}.parquet"
    files = [locate(ref, file) for ref in refs if has_file(ref, file)]
    if files:
        return files
    known = sorted(_tables(report))
    if name in known:
        raise _changed(f"files of {name!r}", loaded, report.partition)
    raise SettingsError(
        got=f"no table {name!r} of the run of {report.partition}",
        expected=f"one of {', '.join(known)}",
        fix=f"{nearest(name, known)}name one of them",
    )


def _tables(report: ArtifactRef) -> set[str]:
    """The names of all tables that a report was made of, and its own."""
    names = [report.name, *read_manifest(report).input_names]
    return {
        made.stage if table == MAIN else f"{made.stage}/{table}"
        for name in names
        if (made := manifest_of(report.root, name))
        for table in made.tables
    }


def inputs_of(report: ArtifactRef, stage: str) -> list[ArtifactRef]:
    """What a report was made of in one stage, oldest partition first; nothing if one is gone."""
    names = [n for n in read_manifest(report).input_names if n.startswith(f"{stage}/")]
    refs = [ref for name in names if (ref := ref_of(report.root, name))]
    return refs if len(refs) == len(names) else []


def require_inputs(loaded: Loaded, report: ArtifactRef, stage: str, what: str) -> list[ArtifactRef]:
    """What a report was made of in one stage, oldest partition first.

    Args:
        loaded: The pipeline.
        report: The report.
        stage: The stage, which the report was made of.
        what: What an error calls the artifacts.

    Raises:
        ArtifactError: One of them is gone or changed.
    """
    refs = inputs_of(report, stage)
    if not refs:
        raise _changed(what, loaded, report.partition)
    return refs


def _changed(what: str, loaded: Loaded, partition: str) -> ArtifactError:
    """The error of something that the run of a partition wrote, and that is not as it was."""
    return ArtifactError(
        got=f"the {what} of {partition} are gone or changed",
        expected="the files that the run wrote",
        fix=f"make them again: fusemine run {loaded.path} --partition {partition}",
    )


def _partition(loaded: Loaded, latest: Latest, partition: str | None) -> str:
    done = [key for key in latest.partitions() if is_partition(key, loaded.calendar)]
    if done and (partition is None or partition in done):
        return partition or done[-1]
    hint = nearest(partition, done) if partition else ""
    raise SettingsError(
        got=f"no complete run of {partition or 'this pipeline'} below {loaded.root}",
        expected=f"one of {', '.join(done)}" if done else "a complete run",
        fix=f"{hint}run it first: fusemine run",
    )


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
            for table in _vectors(ref, schema):
                writer.write_table(table)
                rows += table.num_rows
    return rows


def _schema(stored: pa.Schema) -> pa.Schema:
    width = np.dtype(vectors.dtype_of(stored)).itemsize
    dimension = stored.field("embedding").type.byte_width // width
    known = stored.metadata or {}
    metadata = {name: known.get(name, b"unknown") for name in (b"model", b"precision")}
    columns = {
        "row_id": pa.string(),
        "partition": pa.string(),
        "embedding": pa.list_(pa.float32(), dimension),
    }
    return pa.schema(columns, metadata={**metadata, b"dimension": str(dimension).encode()})


def _vectors(ref: ArtifactRef, schema: pa.Schema) -> Iterator[pa.Table]:
    """The vectors of one partition, some rows at a time."""
    stored = read_table(ref, EMBEDDINGS)
    for start in range(0, stored.num_rows, ROWS_PER_GROUP):
        rows = stored.slice(start, ROWS_PER_GROUP)
        exact = vectors.read_embeddings(rows)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(exact.reshape(-1)), exact.shape[1])
        columns = [rows["row_id"].cast(pa.string()), [ref.partition] * len(rows), lists]
        yield pa.table(dict(zip(schema.names, columns, strict=True)), schema=schema)
