"""Writing a run's results as a table for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fusemine.flows.engine.config import Loaded, load_pipeline
from fusemine.tasks.core.artifact import read_frame, read_manifest, ref_of
from fusemine.tasks.core.errors import ArtifactError, SettingsError, nearest
from fusemine.tasks.core.partition import is_partition
from fusemine.tasks.report.contracts import RESULTS
from fusemine.tasks.upkeep.latest import Latest

if TYPE_CHECKING:
    import polars as pl

    from fusemine.tasks.core.artifact import ArtifactRef


def export_results(
    pipeline: Path, partition: str | None, output: Path | None, stdout: BinaryIO
) -> str:
    """Write the results of the last complete run; a line that says what was written.

    Args:
        pipeline: The pipeline.yaml.
        partition: Which partition's run; None for the newest.
        output: A `.csv` or `.parquet` file; None for CSV on `stdout`.
        stdout: Standard output, in bytes.

    Raises:
        SettingsError: There is no such run, or the output's name tells no form.
        ArtifactError: The results are gone.
    """
    check_output(output)
    partition, ref = last_report(pipeline, partition)
    table = read_frame(ref, RESULTS)
    write_table(table, output, stdout)
    return f"{table.height:,} rows of {partition} to {output or 'standard output'}"


def check_output(output: Path | None) -> None:
    """Refuse an output that is no table, or in a folder that does not exist.

    Raises:
        SettingsError: Its name tells no form, or there is no such folder.
    """
    if output is not None and output.suffix not in {".csv", ".parquet"}:
        raise SettingsError(
            got=f"--output {output}",
            expected="a name that ends in .csv or .parquet",
            fix="name the output so",
        )
    if output is not None:
        check_folder(output)


def write_table(
    table: pl.DataFrame, output: Path | None, stdout: BinaryIO, bom: bool = False
) -> None:
    """Write a table in the form that the output's name tells, or as CSV to standard output.

    Args:
        table: The table.
        output: A `.csv` or `.parquet` file; None for CSV on `stdout`.
        stdout: Standard output, in bytes.
        bom: Whether a CSV file begins with the mark by which spreadsheets know UTF-8.
    """
    if output is None:
        # Python's own write knows a closed pipe, as of `export … | head`.
        stdout.write(table.write_csv().encode())
    elif output.suffix == ".csv":
        table.write_csv(output, include_bom=bom)
    else:
        table.write_parquet(output)


def check_folder(output: Path) -> None:
    """Refuse an output in a folder that does not exist.

    Raises:
        SettingsError: It does not.
    """
    if not output.resolve().parent.is_dir():
        raise SettingsError(
            got=f"--output {output}, in a folder that is not there",
            expected="a folder that exists",
            fix=f"make it: mkdir -p {output.parent}",
        )


def last_report(pipeline: Path, partition: str | None) -> tuple[str, ArtifactRef]:
    """The partition, resolved, and the report of its last complete run.

    Args:
        pipeline: The pipeline.yaml.
        partition: Which partition's run; None for the newest.

    Raises:
        SettingsError: There is no such run.
        ArtifactError: The report is gone.
    """
    loaded = load_pipeline(pipeline)
    latest = Latest(loaded.store)
    partition = _partition(loaded, latest, partition)
    ref = ref_of(loaded.store.root, latest.report(partition) or "")
    if ref is None:
        raise gone("results", pipeline, partition)
    return partition, ref


def inputs_of(report: ArtifactRef, stage: str) -> list[ArtifactRef]:
    """What a report was made of in one stage, oldest partition first; nothing if one is gone."""
    names = read_manifest(report).inputs
    refs = [ref_of(report.root, name) for name in names if name.startswith(f"{stage}/")]
    there = [ref for ref in refs if ref is not None]
    return there if len(there) == len(refs) else []


def gone(what: str, pipeline: Path, partition: str) -> ArtifactError:
    """The error of something that the run of a partition wrote, and that is not as it was."""
    return ArtifactError(
        got=f"the {what} of {partition} are gone or changed",
        expected="the files that the run wrote",
        fix=f"make them anew: fusemine run {pipeline} --partition {partition}",
    )


def _partition(loaded: Loaded, latest: Latest, partition: str | None) -> str:
    done = [key for key in latest.partitions() if is_partition(key, loaded.calendar)]
    if partition in done:
        return str(partition)
    if partition is None and done:
        return done[-1]
    hint = nearest(partition, done) if partition else ""
    raise SettingsError(
        got=f"no complete run of {partition or 'this pipeline'} below {loaded.root}",
        expected=f"one of {', '.join(done)}" if done else "a complete run",
        fix=f"{hint}run it first: fusemine run",
    )
