"""Taking a row out of cleaned rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.core.storage.writing import Rewritten

if TYPE_CHECKING:
    from fusemine.tasks.core.storage.writing import Stored


def rewrite(stored: Stored) -> Rewritten:
    """The rows without it; its duplicates become those of the first one among them."""
    kept, lost = stored.others(), stored.others("rejected")
    named = pl.col("duplicate_of") == stored.row_id
    alike = kept.filter(named).get_column("row_id")
    if len(alike):
        first = pl.when(pl.col("row_id") != alike[0]).then(pl.lit(alike[0]))
        original = pl.when(named).then(first).otherwise(pl.col("duplicate_of"))
        kept = kept.with_columns(duplicate_of=original)
    fewer = (stored.frame().height - kept.height, stored.frame("rejected").height - lost.height)
    return Rewritten({MAIN: kept, "rejected": lost}, *fewer)
