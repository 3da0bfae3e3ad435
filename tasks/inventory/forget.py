"""Taking a row out of an inventory: its counts, and the records that belong to no partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.collect.assign import own_name
from fusemine.tasks.collect.forgotten import blank_forgotten, content_id
from fusemine.tasks.core.artifact import MAIN, manifest_of
from fusemine.tasks.core.rewrite import Version
from fusemine.tasks.inventory.compute import COLLECT

if TYPE_CHECKING:
    from fusemine.tasks.core.artifact import Manifest
    from fusemine.tasks.core.rewrite import Stored


def rewrite(stored: Stored) -> Version | None:
    """Count what the raw artifacts now hold, and blank forgotten records; None if all is so.

    The counts come from the raw artifacts' manifests, so that it can be done again after a kill.
    """
    listing, old = stored.frame(), stored.frame("unassigned")
    inventory = listing.with_columns(_counts(stored.root, listing))
    unassigned = blank_forgotten(old, id_column(stored.manifest), stored.forgotten)
    if inventory.equals(listing) and unassigned.equals(old):
        return None
    kept = int(listing["rows"].sum()) - int(inventory["rows"].sum())
    rejected = int(listing["rejected"].sum()) - int(inventory["rejected"].sum())
    return Version({MAIN: inventory, "unassigned": unassigned}, kept, rejected)


def names(stored: Stored) -> list[str]:
    """Ids, by their content, of the records without a partition that a row id names."""
    records = stored.frame("unassigned").filter(pl.col("row_id") == stored.row_id)
    return [content_id(row) for row in records.get_column("row")]


def id_column(inventory: Manifest) -> str | None:
    """The stored name of the id column that an inventory was made with."""
    settings = inventory.recipe["settings"]
    name = settings.get("columns.id", settings.get("columns", {}).get("id"))
    return None if name is None else own_name(name)


def _counts(root: str, listing: pl.DataFrame) -> list[pl.Series]:
    counts = []
    for partition, key, rows, rejected in listing.rows():
        made = manifest_of(root, f"{COLLECT}/{partition}/{key}")
        counts.append((made.rows.rows_kept, made.rows.rows_rejected) if made else (rows, rejected))
    kept, lost = zip(*counts, strict=True) if counts else ((), ())
    return [pl.Series("rows", kept, pl.Int64), pl.Series("rejected", lost, pl.Int64)]
