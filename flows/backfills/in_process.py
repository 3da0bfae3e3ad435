"""A backfill in this process: one scan, one preparation, then one partition after another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fusemine.flows.backfills.state import RowState
from fusemine.flows.engine.failures import WITHHELD
from fusemine.flows.engine.plan import make_plan
from fusemine.flows.engine.runner import LocalRunner
from fusemine.flows.engine.session import Session, open_session
from fusemine.flows.pipeline import mine_partition
from fusemine.flows.prepare import prepare_up_to
from fusemine.tasks.core.errors import FusemineError

if TYPE_CHECKING:
    from fusemine.flows.backfills.live_table import LiveTable
    from fusemine.flows.backfills.state import Row
    from fusemine.flows.config.pipeline import Loaded


def work_here(loaded: Loaded, table: LiveTable) -> None:
    """Mine the waiting partitions of a backfill, and record how each ended."""
    session, waiting = open_session(loaded, LocalRunner()), table.backfill.waiting()
    _prepare(session, [row.partition for row in waiting], table)
    for row in waiting:
        if not table.backfill.can_continue():
            return
        _mine(row, session, table)


def _prepare(session: Session, targets: list[str], table: LiveTable) -> None:
    """Prepare the union of the windows once."""
    there = [key for key in targets if session.listing.raw.get(key) is not None]
    try:
        if there:
            prepare_up_to(session, there)
    except FusemineError as error:
        # Only the partitions whose windows need what failed fail with it, one by one below.
        what = "not all partitions could be prepared"
        table.log(f"{what}: {error.got}", public=f"{what}: {error.public()}")


def _mine(row: Row, session: Session, table: LiveTable) -> None:
    row.state, row.attempt, row.error = RowState.RUNNING, row.attempt + 1, None
    row.public = None
    raw = session.listing.raw.get(row.partition)
    row.rows = raw.rows if raw else None
    table.changed(row)
    started = time.monotonic()
    try:
        plan = make_plan(session.loaded, session.listing.raw, row.partition)
        outcome = mine_partition(session, plan, "never")
    except Exception as error:  # of any kind; the other partitions go on
        ours = error if isinstance(error, FusemineError) else None
        row.failed(ours.whole() if ours else repr(error), ours.public() if ours else WITHHELD)
    else:
        row.state = RowState.COMPLETE if outcome.report else RowState.GAP
        row.link = str(outcome.report) if outcome.report else None
    row.seconds = round(time.monotonic() - started, 1)
    table.changed(row)
