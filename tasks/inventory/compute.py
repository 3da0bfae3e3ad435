"""One scan of the source cuts it into partitions; each becomes an artifact of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import chain
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING
from weakref import finalize

import polars as pl

from fusemine.tasks.collect.assign import Assigned, Collected, assign
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.core.contract import REJECTED, row_json
from fusemine.tasks.core.inputs import Output, store_output
from fusemine.tasks.core.key import Recipe
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.core.storage.artifact import MAIN, Job, find, read_frame, ref_of, to_json
from fusemine.tasks.core.storage.writing import new_artifact
from fusemine.tasks.inventory.contracts import INVENTORY, UNASSIGNED
from fusemine.tasks.sources.source import SourceSettings
from fusemine.tasks.table.roles import Columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.request import Sections
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
        inventory: The listing as it is stored, or as it would be: in a folder of its own then,
            which lasts as long as this object.
    """

    raw: dict[str, ArtifactRef | None]
    inventory: ArtifactRef


def run(inputs: Inputs, _: Settings | None, progress: Progress) -> Output:
    """Cut the source into partitions and land each of them.

    Raises:
        SourceError: A piece of it cannot be used.
        SettingsError: A role names a column that a piece has not.
    """
    state, headers = inputs.resource("source"), dict[str, list[str]]()
    found = _scan(state, inputs, headers, progress)
    job = inputs.request.job
    for part in found.partitions:
        _land(_job(job, state, part), part)
    return _output(job, state, found, headers)


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
    headers: dict[str, list[str]] = {}
    found = _scan(state, pipeline, headers, lambda *_: None)
    folder = mkdtemp(prefix="fusemine-")
    output = _output(job, state, found, headers)
    with new_artifact(replace(job, root=folder)) as draft:
        store_output(draft, output, {MAIN: INVENTORY, "unassigned": UNASSIGNED})
    raw = {part.partition: find(_job(job, state, part)) for part in found.partitions}
    listing = Listing(raw, draft.ref)
    finalize(listing, rmtree, folder, ignore_errors=True)
    return listing


def _output(job: Job, state: State, found: Collected, headers: dict[str, list[str]]) -> Output:
    """The inventory of a scan."""
    listed = [
        (p.partition, _job(job, state, p).recipe.key, p.rows.height, p.rejected.height)
        for p in found.partitions
    ]
    inventory = pl.DataFrame(listed, schema=pl.DataFrame(INVENTORY.empty()).schema, orient="row")
    kept, rejected = int(inventory["rows"].sum()), int(inventory["rejected"].sum())
    return Output(
        tables={MAIN: inventory, "unassigned": found.unassigned},
        rows_in=kept + rejected + found.unassigned.height,
        rows_kept=kept,
        files={HEADERS: to_json(headers)},
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


def _land(job: Job, part: Assigned) -> None:
    """Write one partition, unless the same rows are there already."""
    if find(job) is None:
        with new_artifact(job) as draft:
            draft.table(MAIN, part.rows, RAW)
            draft.table("rejected", part.rejected, REJECTED)
            draft.count(part.rows.height + part.rejected.height, part.rows.height)


def _rows_hash(*tables: pl.DataFrame) -> str:
    content = hashlib.sha256()
    for row in chain.from_iterable(map(row_json, tables)):
        content.update(f"{row}\n".encode())
    return content.hexdigest()
