"""Taking a row out of cleaned rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.rewrite import Version

if TYPE_CHECKING:
    from fusemine.tasks.core.rewrite import Stored


def rewrite(stored: Stored) -> Version:
    """The rows without it; its duplicates become those of the first one among them."""
    kept, lost = _renamed(stored.others(), stored.row_id), stored.others("rejected")
    fewer = (stored.frame().height - kept.height, stored.frame("rejected").height - lost.height)
    return Version({MAIN: kept, "rejected": lost}, *fewer)


def _renamed(clean: pl.DataFrame, row_id: str) -> pl.DataFrame:
    alike = clean.filter(pl.col("duplicate_of") == row_id).get_column("row_id")
    if alike.is_empty():
        return clean
    named = pl.col("duplicate_of") == row_id
    first = pl.when(pl.col("row_id") != alike[0]).then(pl.lit(alike[0]))
    return clean.with_columns(
        duplicate_of=pl.when(named).then(first).otherwise(pl.col("duplicate_of"))
    )
