"""A backfill in this process: one scan, one preparation, then one partition after another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fusemine.flows.backfills.state import Standing
from fusemine.flows.engine.plan import make_plan
from fusemine.flows.engine.prepare import Prepared
from fusemine.flows.engine.windows import needed_partitions
from fusemine.flows.pipeline import mine_partition
from fusemine.tasks.core.errors import FusemineError
from fusemine.tasks.inventory.source import read_listing
from fusemine.tasks.inventory.task import collect

if TYPE_CHECKING:
    from fusemine.flows.backfills.live_table import Board
    from fusemine.flows.backfills.state import Row
    from fusemine.flows.engine.config import Loaded
    from fusemine.tasks.inventory.source import Listing


def work_here(loaded: Loaded, board: Board) -> None:
    """Mine the waiting partitions of a backfill, and note how each ended."""
    listing = read_listing(loaded.root, collect(loaded.source()))
    prepared, waiting = Prepared(loaded), board.backfill.waiting()
    _prepare(loaded, listing, prepared, board)
    for row in waiting:
        if not board.backfill.may_go_on():
            return
        _mine(row, loaded, listing, prepared, board)


def _prepare(loaded: Loaded, listing: Listing, prepared: Prepared, board: Board) -> None:
    """Prepare the union of the windows once."""
    targets = [row.partition for row in board.backfill.waiting()]
    union = needed_partitions(loaded, listing, targets)
    try:
        prepared.prepare({key: ref for key, ref in union.items() if ref is not None})
    except FusemineError as error:
        # Only the partitions whose windows need what failed fail with it, one by one below.
        board.tell(f"not all partitions could be prepared: {error.got}")


def _mine(row: Row, loaded: Loaded, listing: Listing, prepared: Prepared, board: Board) -> None:
    row.state, row.attempt, row.error = Standing.RUNNING, row.attempt + 1, None
    raw = listing.raw.get(row.partition)
    row.rows = raw.rows if raw else None
    board.changed(row)
    started = time.monotonic()
    try:
        outcome = mine_partition(make_plan(loaded, listing, row.partition), prepared, "never")
    except Exception as error:  # whatever it is, the other partitions go on
        row.state, row.error = Standing.FAILED, str(error)
    else:
        row.state = Standing.COMPLETE if outcome.report else Standing.GAP
        row.link = str(outcome.report) if outcome.report else None
    row.seconds = round(time.monotonic() - started, 1)
    board.changed(row)
