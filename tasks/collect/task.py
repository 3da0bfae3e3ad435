"""Collecting as a Prefect task: one scan of the source lands every partition as Parquet."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tasks import progress
from tasks.artifacts import MAIN, ArtifactRef, Draft, Job, find, read_frame, read_json, ref_of
from tasks.collect.assign import Assigned, assign, row_json
from tasks.collect.read import FileRows, find_files, read_file
from tasks.columns import check_columns
from tasks.contracts import INVENTORY, RAW, REJECTED, UNASSIGNED
from tasks.keys import Stage, file_digest, recipe
from tasks.partitions import ALL
from tasks.task import execute, run_ids, stage_task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.collect.settings import SourceSettings
    from tasks.columns import Columns
    from tasks.partitions import PartitionSettings

# The inventory lists the partitions of one state of the source; each has an artifact of its own.
STAGE = Stage("inventory", ("tasks.collect.assign",), ("polars", "pyarrow"))
RAW_STAGE = "collect"


@stage_task("collect", "collect")
def collect(
    root: Path, base: Path, source: SourceSettings, columns: Columns, by: PartitionSettings
) -> ArtifactRef:
    """Cut the source into partitions; the reference is to the inventory of them.

    Args:
        root: Folder of the pipeline's artifacts.
        base: Folder that the source's path is relative to.
        source: Where the rows come from.
        columns: Roles of the columns.
        by: How the table is cut.

    Raises:
        SourceError: The files cannot be used.
        SettingsError: A role names a column that a file has not.
    """
    files = find_files(source, base)
    hashes = tuple(file_digest(file) for file in files)
    settings = _settings(source, columns, by)
    job = Job(
        root, STAGE.name, ALL, recipe(STAGE, (*map(str, _names(files, base)), *hashes), settings)
    )
    found = find(job)
    if found is not None:
        for name, header in read_json(found, "files.json").items():
            check_columns(columns, header, f"file {name!r}")
        if None in raw_artifacts(root, found).values():
            _discard_inventory(found)
    return execute(job, lambda draft: _scan(draft, files, base, source, columns, by))


def raw_artifacts(root: Path, inventory: ArtifactRef) -> dict[str, ArtifactRef | None]:
    """The raw artifact of each partition, oldest first; None for one that is gone or damaged."""
    listed = read_frame(inventory, INVENTORY).select("partition", "key").rows()
    return {partition: ref_of(root / RAW_STAGE / partition / key) for partition, key in listed}


def _settings(source: SourceSettings, columns: Columns, by: PartitionSettings) -> dict[str, Any]:
    return {
        "source": source.model_dump(mode="json", exclude={"path"}),
        "columns": columns.model_dump(mode="json", include={"id", "time"}),
        "partition": by.model_dump(mode="json", exclude={"lag"}),
    }


def _names(files: list[Path], base: Path) -> list[str]:
    return [f.relative_to(base).as_posix() if f.is_relative_to(base) else f.name for f in files]


def _discard_inventory(inventory: ArtifactRef) -> None:
    """Without its manifest the inventory counts as not made, and the source is scanned again."""
    (Path(inventory.path) / "manifest.json").unlink(missing_ok=True)


def _scan(
    draft: Draft,
    files: list[Path],
    base: Path,
    source: SourceSettings,
    columns: Columns,
    by: PartitionSettings,
) -> None:
    headers: dict[str, Any] = {}
    rows = _read_all(files, base, source, headers)
    collected = assign(rows, columns, by, source.repeated_id)
    listing = [_land(draft.job, part) for part in collected.partitions]
    schema = {"partition": pl.String, "key": pl.String, "rows": pl.Int64, "rejected": pl.Int64}
    inventory = pl.DataFrame(listing, schema=schema, orient="row")
    draft.table(MAIN, inventory, INVENTORY)
    draft.table("unassigned", collected.unassigned, UNASSIGNED)
    draft.json("files.json", headers)
    kept, rejected = int(inventory["rows"].sum()), int(inventory["rejected"].sum())
    rejected += collected.unassigned.height
    draft.count(kept + rejected, kept, rejected)


def _read_all(
    files: list[Path], base: Path, source: SourceSettings, headers: dict[str, Any]
) -> Iterator[FileRows]:
    for number, path in enumerate(files):
        progress.report("collect", number, len(files))
        file = read_file(path, source, base)
        headers[file.source] = file.frame.columns
        yield file
    progress.report("collect", len(files), len(files))


def _land(inventory: Job, part: Assigned) -> tuple[str, str, int, int]:
    """Write one partition, unless the same rows are there already."""
    made_of = replace(inventory.recipe, inputs=(_content_hash(part),))
    job = Job(inventory.root, RAW_STAGE, part.partition, made_of, runs=run_ids())
    if find(job) is None:
        with Draft(job) as draft:
            draft.table(MAIN, part.rows, RAW)
            draft.table("rejected", part.rejected, REJECTED)
            rows, rejected = part.rows.height, part.rejected.height
            draft.count(rows + rejected, rows, rejected)
    return part.partition, job.recipe.key, part.rows.height, part.rejected.height


def _content_hash(part: Assigned) -> str:
    content = hashlib.sha256()
    for table in (part.rows, part.rejected):
        for row in row_json(table):
            content.update(row.encode() + b"\n")
    return content.hexdigest()
