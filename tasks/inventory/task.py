"""Collecting as a Prefect task: one scan of the source lands every partition as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.core.artifact import MAIN, ArtifactRef, Draft, Job, find, read_json
from fusemine.tasks.core.contract import INVENTORY, RAW, REJECTED, UNASSIGNED
from fusemine.tasks.core.task import RETRY_DELAYS, execute, run_ids, stage_task
from fusemine.tasks.inventory.source import (
    RAW_STAGE,
    Source,
    State,
    raw_recipe,
    read_listing,
    scan,
    state_of,
)
from fusemine.tasks.table.roles import check_columns

if TYPE_CHECKING:
    from fusemine.tasks.collect.assign import Assigned


@stage_task("collect", "collect", RETRY_DELAYS)
def collect(source: Source) -> ArtifactRef:
    """Cut the source into partitions; the reference is to the inventory of them.

    Raises:
        SourceError: The files cannot be used.
        SettingsError: A role names a column that a file has not.
    """
    state = state_of(source)
    found = find(state.job)
    if found is not None:
        for name, header in read_json(found, "files.json").items():
            check_columns(source.columns, header, f"file {name!r}")
        if None in read_listing(source.root, found).raw.values():
            _discard_inventory(found)
    return execute(state.job, lambda draft: _scan(draft, source, state))


def _discard_inventory(inventory: ArtifactRef) -> None:
    """Without its manifest the inventory counts as not made, and the source is scanned again."""
    (Path(inventory.path) / "manifest.json").unlink(missing_ok=True)


def _scan(draft: Draft, source: Source, state: State) -> None:
    headers: dict[str, Any] = {}
    collected = scan(source, state, headers)
    listing = [_land(state, part) for part in collected.partitions]
    schema = {"partition": pl.String, "key": pl.String, "rows": pl.Int64, "rejected": pl.Int64}
    inventory = pl.DataFrame(listing, schema=schema, orient="row")
    draft.table(MAIN, inventory, INVENTORY)
    draft.table("unassigned", collected.unassigned, UNASSIGNED)
    draft.json("files.json", headers)
    kept, rejected = int(inventory["rows"].sum()), int(inventory["rejected"].sum())
    rejected += collected.unassigned.height
    draft.count(kept + rejected, kept, rejected)


def _land(state: State, part: Assigned) -> tuple[str, str, int, int]:
    """Write one partition, unless the same rows are there already."""
    names = part.rows["source"].unique(maintain_order=True)
    sources = {name: state.hashes[name] for name in names}
    made_of = raw_recipe(state, part)
    job = Job(state.job.root, RAW_STAGE, part.partition, made_of, runs=run_ids(), sources=sources)
    if find(job) is None:
        with Draft(job) as draft:
            draft.table(MAIN, part.rows, RAW)
            draft.table("rejected", part.rejected, REJECTED)
            rows, rejected = part.rows.height, part.rejected.height
            draft.count(rows + rejected, rows, rejected)
    return part.partition, job.recipe.key, part.rows.height, part.rejected.height
