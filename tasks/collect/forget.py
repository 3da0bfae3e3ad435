"""Taking a row out of collected rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.collect.forgotten import RULE, forgotten_records
from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.contract import removed_rows
from fusemine.tasks.core.rewrite import Version

if TYPE_CHECKING:
    from fusemine.tasks.core.rewrite import Stored


def rewrite(stored: Stored) -> Version:
    """As collecting would make it: every row with the id becomes a record of a forgotten one."""
    raw, old = stored.frame(), stored.frame("rejected")
    kept, lost = stored.others(), stored.others("rejected")
    times = raw.height - kept.height + old.height - lost.height
    records = removed_rows(forgotten_records(pl.Series([stored.row_id] * times, dtype=pl.String)))
    is_record = pl.col("rule") == RULE
    first = pl.concat([lost.filter(is_record), records]).sort("row_id")
    rejected = pl.concat([first, lost.filter(~is_record)])
    fewer = (raw.height - kept.height, old.height - rejected.height)
    return Version({MAIN: kept, "rejected": rejected}, *fewer)
