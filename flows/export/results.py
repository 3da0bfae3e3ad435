"""Writing a run's results as a table for other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from fusemine.tasks.core.artifact import (
    MAIN,
    has_file,
    locate,
    manifest_of,
    read_frame,
    read_manifest,
    ref_of,
)
from fusemine.tasks.core.errors import ArtifactError, SettingsError, nearest
from fusemine.tasks.core.partition import is_partition
from fusemine.tasks.core.store import replacing
from fusemine.tasks.report.contracts import RESULTS
from fusemine.tasks.upkeep.latest import Latest

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from fusemine.flows.engine.config import Loaded
    from fusemine.tasks.core.artifact import ArtifactRef


def export_results(
    loaded: Loaded, partition: str | None, output: Path | None, stdout: BinaryIO
) -> str:
    """Write the results of the last complete run; a line that says what was written.

    Args:
        loaded: The pipeline.
        partition: Which partition's run; None for the newest.
        output: A `.csv` or `.parquet` file; None for CSV on `stdout`.
        stdout: Standard output, in bytes.

    Raises:
        SettingsError: There is no such run, or the output's name tells no form.
        ArtifactError: The results are gone.
    """
    check_output(output)
    report = last_report(loaded, partition)
    table = read_frame(report, RESULTS)
    write_table(table, output, stdout)
    return f"{table.height:,} rows of {report.partition} to {output or 'standard output'}"


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
        return
    with replacing(output) as draft:
        if output.suffix == ".csv":
            table.write_csv(draft, include_bom=bom)
        else:
            table.write_parquet(draft)


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
        raise gone("results", loaded, partition)
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
    if not files:
        known = sorted(_tables(report))
        if name in known:
            raise gone(f"files of {name!r}", loaded, report.partition)
        raise SettingsError(
            got=f"no table {name!r} of the run of {report.partition}",
            expected=f"one of {', '.join(known)}",
            fix=f"{nearest(name, known)}name one of them",
        )
    return files


def _tables(report: ArtifactRef) -> set[str]:
    """The names of all tables that a report was made of, and its own."""
    found = set()
    for name in [report.name, *read_manifest(report).inputs]:
        manifest = manifest_of(report.root, name)
        for file in manifest.files if manifest else ():
            if file.endswith(".parquet"):
                stage, table = name.split("/")[0], file.removesuffix(".parquet")
                found.add(stage if table == MAIN else f"{stage}/{table}")
    return found


def inputs_of(report: ArtifactRef, stage: str) -> list[ArtifactRef]:
    """What a report was made of in one stage, oldest partition first; nothing if one is gone."""
    names = read_manifest(report).inputs
    refs = [ref_of(report.root, name) for name in names if name.startswith(f"{stage}/")]
    there = [ref for ref in refs if ref is not None]
    return there if len(there) == len(refs) else []


def gone(what: str, loaded: Loaded, partition: str) -> ArtifactError:
    """The error of something that the run of a partition wrote, and that is not as it was."""
    return ArtifactError(
        got=f"the {what} of {partition} are gone or changed",
        expected="the files that the run wrote",
        fix=f"make them anew: fusemine run {loaded.path} --partition {partition}",
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
