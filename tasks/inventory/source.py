"""One state of a source: its files, and the partitions that they are cut into."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemine.tasks.collect.assign import Assigned, Collected, assign, row_json
from fusemine.tasks.collect.forgotten import read_forgotten
from fusemine.tasks.core import progress
from fusemine.tasks.core.artifact import ArtifactRef, Job, find, read_frame, ref_of
from fusemine.tasks.core.contract import INVENTORY, UNASSIGNED
from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.key import Recipe, Stage, file_digest, recipe
from fusemine.tasks.core.partition import ALL
from fusemine.tasks.sources.files import FileRows, find_files, read_file, source_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from fusemine.tasks.core.partition import PartitionSettings
    from fusemine.tasks.sources.settings import SourceSettings
    from fusemine.tasks.table.roles import Columns

# The inventory lists the partitions of one state of the source; each has an artifact of its own.
STAGE = Stage("inventory", ("fusemine.tasks.collect.assign",), ("polars", "pyarrow"))
RAW_STAGE = "collect"


@dataclass(frozen=True)
class Source:
    """Where the rows come from, and how they are cut.

    Args:
        root: Folder of the pipeline's artifacts.
        base: Folder that the source's path is relative to.
        settings: The files and their form.
        columns: Roles of the columns.
        by: How the table is cut.
    """

    root: Path
    base: Path
    settings: SourceSettings
    columns: Columns
    by: PartitionSettings


@dataclass(frozen=True)
class Listing:
    """The partitions that a source holds.

    Args:
        raw: The raw artifact of each partition, oldest first; None for one that is not there.
        unassigned: Hash of the records that belong to no partition.
        inventory: The stored listing; None if it is not stored.
    """

    raw: dict[str, ArtifactRef | None]
    unassigned: str
    inventory: ArtifactRef | None


@dataclass(frozen=True)
class State:
    """What a source holds right now.

    Args:
        files: Its files, in order.
        hashes: Hash of the content of each file, by its name.
        job: The job of listing its partitions.
        forgotten: Hashes of the row ids that are left out.
    """

    files: tuple[Path, ...]
    hashes: dict[str, str]
    job: Job
    forgotten: frozenset[str]


def state_of(source: Source) -> State:
    """Look at a source's files.

    Raises:
        SourceError: There is none.
    """
    files = tuple(find_files(source.settings, source.base))
    digests = [_digest(file) for file in files]
    forgotten = read_forgotten(source.root)
    names = [source_name(file, source.base) for file in files]
    hashes = dict(zip(names, digests, strict=True))
    # A file outside the base counts by its last name alone, because keys hold no paths.
    names = [Path(name).name if name.startswith("/") else name for name in names]
    made_of = recipe(STAGE, (*names, *digests, *sorted(forgotten)), _settings(source))
    job = Job(source.root, STAGE.name, ALL, made_of, sources=hashes)
    return State(files, hashes, job, forgotten)


def read_listing(root: Path, inventory: ArtifactRef) -> Listing:
    """The partitions of a stored inventory."""
    listed = read_frame(inventory, INVENTORY).select("partition", "key").rows()
    raw = {partition: ref_of(root / RAW_STAGE / partition / key) for partition, key in listed}
    unassigned = read_frame(inventory, UNASSIGNED, "unassigned")
    return Listing(raw, _rows_hash(unassigned), inventory)


def scan(source: Source, state: State, headers: dict[str, Any]) -> Collected:
    """Read all files and cut them into partitions.

    Args:
        source: The source.
        state: Its files.
        headers: Takes the columns of each file.

    Raises:
        SourceError: A file cannot be used.
        SettingsError: A role names a column that a file has not.
    """
    rows = _read_all(source, state, headers)
    repeated = source.settings.repeated_id
    return assign(rows, source.columns, source.by, repeated, state.forgotten)


def raw_recipe(state: State, part: Assigned) -> Recipe:
    """What the raw artifact of a partition is made of: its rows alone."""
    made_of = state.job.recipe
    inputs = (_rows_hash(part.rows, part.rejected),)
    return Recipe(inputs, made_of.settings, made_of.versions, made_of.source)


def list_partitions(source: Source) -> Listing:
    """The partitions that the source holds now; nothing is written.

    Raises:
        SourceError: The files cannot be used.
        SettingsError: A role names a column that a file has not.
    """
    state = state_of(source)
    inventory = find(state.job)
    if inventory is not None:
        return read_listing(source.root, inventory)
    found = scan(source, state, {})
    folder = source.root / RAW_STAGE
    raw = {
        part.partition: ref_of(folder / part.partition / raw_recipe(state, part).key)
        for part in found.partitions
    }
    return Listing(raw, _rows_hash(found.unassigned), None)


def _digest(file: Path) -> str:
    try:
        return file_digest(file)
    except OSError as error:
        raise SourceError(
            got=f"file {file.name!r} cannot be read: {error.strerror or error}",
            expected="files that this user can read, on a disk that answers",
            fix="look at the file and its disk, then run again",
        ) from error


def _settings(source: Source) -> dict[str, Any]:
    return {
        "source": source.settings.model_dump(mode="json", exclude={"path"}),
        "columns": source.columns.model_dump(mode="json", include={"id", "time"}),
        "partition": source.by.model_dump(mode="json", exclude={"lag"}),
    }


def _read_all(source: Source, state: State, headers: dict[str, Any]) -> Iterator[FileRows]:
    for number, path in enumerate(state.files):
        progress.report("collect", number, len(state.files))
        file = read_file(path, source.settings, source.base)
        headers[file.source] = file.frame.columns
        yield file
    progress.report("collect", len(state.files), len(state.files))


def _rows_hash(*tables: pl.DataFrame) -> str:
    content = hashlib.sha256()
    for table in tables:
        for row in row_json(table):
            content.update(row.encode() + b"\n")
    return content.hexdigest()
