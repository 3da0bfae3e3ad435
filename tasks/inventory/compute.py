"""One scan of the source cuts it into partitions; each becomes an artifact of its own.

How a source is read is imported here, so that its code counts in the key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.collect.assign import Assigned, Collected, assign
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.collect.forgotten import read_forgotten
from fusemine.tasks.core.contract import REJECTED, rejected_rows, row_json
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.key import Recipe
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.storage.artifact import MAIN, Job, find, read_frame, ref_of, to_json
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.core.storage.writing import new_artifact
from fusemine.tasks.inventory.contracts import INVENTORY, UNASSIGNED
from fusemine.tasks.sources.kinds import open_source
from fusemine.tasks.sources.source import SourceSettings
from fusemine.tasks.table.roles import Columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.request import Context, Sections
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.sources.source import Batch, Piece, Source

COLLECT, HEADERS = "collect", "files.json"
"""The stage that raw rows belong to, and the file with the columns of each piece."""


@dataclass(frozen=True)
class State:
    """What a source holds right now.

    Args:
        source: The source.
        pieces: Its pieces, in order.
        forgotten: Hashes of the row ids that are left out.
    """

    source: Source
    pieces: tuple[Piece, ...]
    forgotten: frozenset[str]

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each piece, by its name."""
        return {piece.name: piece.fingerprint for piece in self.pieces}


@dataclass(frozen=True)
class Listing:
    """The partitions that a source holds.

    Args:
        raw: The raw artifact of each partition, oldest first; None for one that is not there.
        inventory: The stored listing; None if it is not stored.
    """

    raw: dict[str, ArtifactRef | None]
    inventory: ArtifactRef | None


def provide(context: Context, _: tuple[str, ...]) -> Resource:
    """The state of a pipeline's source.

    Raises:
        SourceError: There is nothing, or it cannot be read.
    """
    source = open_source(context.pipeline.section(SourceSettings), context.base)
    state = State(source, tuple(source.pieces()), read_forgotten(store_at(context.root)))
    # A piece outside the base counts by its last name alone, because keys hold no paths.
    key = {
        "pieces": [[piece.title, piece.fingerprint] for piece in state.pieces],
        "forgotten": sorted(state.forgotten),
    }
    return Resource(state, key, state.fingerprints)


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
    inventory = pl.DataFrame(listed, schema=pl.DataFrame(INVENTORY.empty()).schema, orient="row")
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


def current_listing(job: Job, state: State, pipeline: Sections) -> Listing:
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
    return (
        rejected_rows([]) if inventory is None else read_frame(inventory, UNASSIGNED, "unassigned")
    )


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
    made_of = inventory.recipe
    rows = {"rows": _rows_hash(part.rows, part.rejected)}
    recipe = Recipe(rows, made_of.settings, {}, made_of.versions, made_of.code)
    pieces = part.rows["source"].unique(maintain_order=True)
    sources = {name: state.fingerprints[name] for name in pieces}
    return Job(inventory.root, COLLECT, part.partition, recipe, (), sources, inventory.runs)


def _land(inventory: Job, state: State, part: Assigned) -> tuple[str, str, int, int]:
    """Write one partition, unless the same rows are there already."""
    job = _job(inventory, state, part)
    rows, rejected = part.rows.height, part.rejected.height
    if find(job) is None:
        with new_artifact(job) as draft:
            draft.table(MAIN, part.rows, RAW)
            draft.table("rejected", part.rejected, REJECTED)
            draft.count(rows + rejected, rows)
    return part.partition, job.recipe.key, rows, rejected


def _rows_hash(*tables: pl.DataFrame) -> str:
    content = hashlib.sha256()
    for row in chain.from_iterable(map(row_json, tables)):
        content.update(f"{row}\n".encode())
    return content.hexdigest()
