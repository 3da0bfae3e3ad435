"""Beginning a backfill, or going on with one, outside of any flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.flows.backfills.selection import check_range, plan_backfill
from fusemine.flows.backfills.state import Standing, load_backfill
from fusemine.flows.engine.coverage import coverage_of

if TYPE_CHECKING:
    from fusemine.flows.backfills.selection import Options
    from fusemine.flows.backfills.state import Backfill
    from fusemine.flows.engine.config import Loaded


def planned(
    loaded: Loaded, first: str | None, last: str | None, options: Options, resume: str | None
) -> Backfill:
    """What a backfill would do.

    Args:
        loaded: The pipeline.
        first: The first partition; by default the first with rows.
        last: The last one; by default the newest with rows.
        options: How to go about them.
        resume: The id of an earlier backfill to go on with; the rest is then that one's.

    Raises:
        SettingsError: The range or the id.
    """
    if resume is not None:
        plan = load_backfill(loaded.store, resume)
        plan.start_again()
        return plan
    if loaded.pipeline.columns.time is not None:
        check_range(first, last, loaded.pipeline.partition)
    return plan_backfill(coverage_of(loaded), first, last, options)


def carry_out(loaded: Loaded, plan: Backfill) -> Backfill:
    """Do what a backfill is planned to do; its record, as it stands at the end.

    Raises:
        RunError: A partition failed.
    """
    from fusemine.flows.server.errors import server_errors
    from fusemine.flows.server.temporary import ensure_server

    if not plan.count(Standing.WAITING):
        return plan
    plan.save(loaded.store)
    with server_errors(f"go on with: {plan.resume_command()}"):
        ensure_server()
        from fusemine.flows.backfill import backfill

        backfill(loaded.path, resume=plan.id)
    return load_backfill(loaded.store, plan.id)
