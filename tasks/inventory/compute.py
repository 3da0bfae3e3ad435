"""One scan of the source cuts it into partitions; each becomes an artifact of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.collect.assign import Assigned, Collected, assign
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.core.artifact import MAIN, Draft, Job, find, read_frame, ref_of, to_json
from fusemine.tasks.core.contract import REJECTED, row_json
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.key import Recipe
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.inventory.contracts import INVENTORY, UNASSIGNED
from fusemine.tasks.sources.source import SourceSettings
from fusemine.tasks.table.roles import Columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.tasks.core.artifact import ArtifactRef
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.request import Sections
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.inventory.state import State
    from fusemine.tasks.sources.source import Batch

COLLECT, HEADERS = "collect", "files.json"
"""The stage that raw rows belong to, and the file with the columns of each piece."""
_SCHEMA = {"partition": pl.String, "key": pl.String, "rows": pl.Int64, "rejected": pl.Int64}


@dataclass(frozen=True)
class Listing:
    """The partitions that a source holds.

    Args:
        raw: The raw artifact of each partition, oldest first; None for one that is not there.
        inventory: The stored listing; None if it is not stored.
    """

    raw: dict[str, ArtifactRef | None]
    inventory: ArtifactRef | None


def run(inputs: Inputs, _: Settings | None, progress: Progress) -> Output:
    """Cut the source into partitions and land each of them.

    Raises:
        SourceError: A piece of it cannot be used.
        SettingsError: A role names a column that a piece has not.
    """
    state, headers = inputs.resource("source"), dict[str, list[str]]()
    found = _scan(state, inputs, headers, progress)
    job = inputs.request.job
    listed = [_land(job, state, part) for part in found.partitions]
    inventory = pl.DataFrame(listed, schema=_SCHEMA, orient="row")
    kept, rejected = int(inventory["rows"].sum()), int(inventory["rejected"].sum())
    return Output(
        tables={MAIN: inventory, "unassigned": found.unassigned},
        rows_in=kept + rejected + found.unassigned.height,
        rows_kept=kept,
        files={HEADERS: to_json(headers)},
    )


def read_listing(inventory: ArtifactRef) -> Listing:
    """The partitions of a stored inventory."""
    listed = read_frame(inventory, INVENTORY).select("partition", "key").rows()
    raw = {p: ref_of(inventory.root, f"{COLLECT}/{p}/{key}") for p, key in listed}
    return Listing(raw, inventory)


def look(job: Job, state: State, pipeline: Sections) -> Listing:
    """The partitions that the source holds now; nothing is written.

    Raises:
        SourceError: A piece of it cannot be used.
        SettingsError: A role names a column that a piece has not.
    """
    inventory = find(job)
    if inventory is not None:
        return read_listing(inventory)
    found = _scan(state, pipeline, {}, lambda *_: None)
    raw = {part.partition: find(_job(job, state, part)) for part in found.partitions}
    return Listing(raw, None)


def read_unassigned(inventory: ArtifactRef | None) -> pl.DataFrame:
    """The records that belong to no partition; none while no inventory is stored."""
    empty = pl.from_arrow(UNASSIGNED.empty())
    assert isinstance(empty, pl.DataFrame)  # noqa: S101  (a Table never makes a Series)
    return empty if inventory is None else read_frame(inventory, UNASSIGNED, "unassigned")


def _scan(
    state: State, settings: Sections, headers: dict[str, list[str]], progress: Progress
) -> Collected:
    return assign(
        _batches(state, headers, progress),
        settings.section(Columns),
        settings.section(PartitionSettings),
        settings.section(SourceSettings).repeated_id,
        state.forgotten,
    )


def _batches(state: State, headers: dict[str, list[str]], progress: Progress) -> Iterator[Batch]:
    for number, piece in enumerate(state.pieces):
        progress(number, len(state.pieces))
        for batch in state.source.read(piece):
            headers[batch.source] = batch.frame.columns
            yield batch
    progress(len(state.pieces), len(state.pieces))


def _job(inventory: Job, state: State, part: Assigned) -> Job:
    """The job of a partition's raw artifact, which is made of its rows alone."""
    names = part.rows["source"].unique(maintain_order=True)
    made_of = inventory.recipe
    rows = {"rows": _rows_hash(part.rows, part.rejected)}
    recipe = Recipe(rows, made_of.settings, {}, made_of.versions, made_of.code)
    sources = {name: state.fingerprints[name] for name in names}
    return Job(inventory.root, COLLECT, part.partition, recipe, (), sources, inventory.runs)


def _land(inventory: Job, state: State, part: Assigned) -> tuple[str, str, int, int]:
    """Write one partition, unless the same rows are there already."""
    job = _job(inventory, state, part)
    rows, rejected = part.rows.height, part.rejected.height
    if find(job) is None:
        with Draft(job) as draft:
            draft.table(MAIN, part.rows, RAW)
            draft.table("rejected", part.rejected, REJECTED)
            draft.count(rows + rejected, rows, rejected)
    return part.partition, job.recipe.key, rows, rejected


def _rows_hash(*tables: pl.DataFrame) -> str:
    content: Any = hashlib.sha256()
    for table in tables:
        for row in row_json(table):
            content.update(row.encode() + b"\n")
    return str(content.hexdigest())
