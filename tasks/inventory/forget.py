"""Taking a row out of what a scan of the source has made: the inventory, and raw rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.collect.assign import stored_name
from fusemine.tasks.collect.forgotten import RULE, blank_forgotten, content_id, forgotten_records
from fusemine.tasks.core.contract import rejected_rows
from fusemine.tasks.core.storage.artifact import MAIN, manifest_of
from fusemine.tasks.core.storage.writing import Rewritten
from fusemine.tasks.inventory.compute import COLLECT

if TYPE_CHECKING:
    from fusemine.tasks.core.storage.manifest import Manifest
    from fusemine.tasks.core.storage.writing import Stored


def rewrite(stored: Stored) -> Rewritten | None:
    """Count what the raw artifacts now hold, and blank forgotten records; None if all is so.

    The counts come from the raw artifacts' manifests, so that it can be done again after a kill.
    """
    listing, old = stored.frame(), stored.frame("unassigned")
    inventory = listing.with_columns(_counts(stored.root, listing).get_columns())
    unassigned = blank_forgotten(old, _id_column(stored.manifest), stored.forgotten)
    if inventory.equals(listing) and unassigned.equals(old):
        return None
    fewer = ((listing[name] - inventory[name]).sum() for name in ("rows", "rejected"))
    return Rewritten({MAIN: inventory, "unassigned": unassigned}, *map(int, fewer))


def rewrite_raw(stored: Stored) -> Rewritten:
    """Raw rows as collecting would make them: one with the id is only a record of a forgotten one.

    Args:
        stored: An artifact of `collect`.
    """
    raw, old = stored.frame(), stored.frame("rejected")
    kept, lost = stored.others(), stored.others("rejected")
    times = raw.height - kept.height + old.height - lost.height
    records = rejected_rows(forgotten_records([stored.row_id] * times))
    is_record = pl.col("rule") == RULE
    first = pl.concat([lost.filter(is_record), records]).sort("row_id")
    rejected = pl.concat([first, lost.filter(~is_record)])
    fewer = (raw.height - kept.height, old.height - rejected.height)
    return Rewritten({MAIN: kept, "rejected": rejected}, *fewer)


def names(stored: Stored) -> list[str]:
    """Ids, by their content, of the records without a partition that a row id names."""
    records = stored.frame("unassigned").filter(pl.col("row_id") == stored.row_id)
    return [content_id(row) for row in records.get_column("row")]


def _id_column(inventory: Manifest) -> str | None:
    """The stored name of the id column that an inventory was made with."""
    settings = inventory.recipe["settings"]
    name = settings.get("columns.id", settings.get("columns", {}).get("id"))
    return None if name is None else stored_name(name)


def _counts(root: str, listing: pl.DataFrame) -> pl.DataFrame:
    counts = []
    for partition, key, rows, rejected in listing.rows():
        made = manifest_of(root, f"{COLLECT}/{partition}/{key}")
        counts.append((made.rows.rows_kept, made.rows.rows_rejected) if made else (rows, rejected))
    return pl.DataFrame(counts, schema={"rows": pl.Int64, "rejected": pl.Int64}, orient="row")
