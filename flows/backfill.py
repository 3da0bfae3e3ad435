"""The backfill: mine a range of past partitions, show how far it is, and go on where it stopped."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from prefect import flow, runtime
from prefect.settings import get_current_settings
from pydantic import Field

from fusemine.flows.backfills.in_process import work_here
from fusemine.flows.backfills.live_table import LiveTable
from fusemine.flows.backfills.selection import Options, partition_on, planned
from fusemine.flows.backfills.state import Backfill, Only, Order, Pool, RowState
from fusemine.flows.backfills.work_pool import work_on_pool
from fusemine.flows.config.pipeline import Loaded, load_pipeline
from fusemine.flows.engine.plan import pipeline_name
from fusemine.flows.server.hooks import HOOKS
from fusemine.flows.server.publishing import withholding
from fusemine.flows.server.temporary import is_temporary
from fusemine.tasks.core.errors import RunError
from fusemine.tasks.core.storage.locks import shared


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    first, last = (parameters.get(name) for name in ("start", "end"))
    what = parameters.get("resume") or f"{first or 'first'} to {last or 'newest'}"
    return f"{pipeline_name(Path(parameters['pipeline']))}: {what}"


@flow(name="backfill", flow_run_name=_run_name, **HOOKS)
def backfill(
    pipeline: Path,
    start: date | None = None,
    end: date | None = None,
    only: Only = "missing",
    order: Order = "oldest",
    max_parallel: Annotated[int, Field(ge=1, le=64)] = 1,
    max_failures: Annotated[int, Field(ge=1)] = 3,
    pool: Pool = "auto",
    dry_run: bool = False,
    resume: str | None = None,
) -> Backfill:
    """Mine a range of partitions, or what is missing in it.

    The union of their windows is prepared once. Each partition's state is kept below the root and
    in a live table on the run's page; what fails does not stop the others, up to `max_failures`.

    Args:
        pipeline: The pipeline.yaml of the table.
        start: A day in the first partition; by default the first with rows.
        end: A day in the last partition; by default the newest with rows.
        only: missing: what has no result of today's settings, code and rows, failed partitions
            included; failed: those alone; all: complete ones too.
        order: Which partition comes first.
        max_parallel: Partitions at a time, where a pool does the work.
        max_failures: Begin no further partition after so many have failed.
        pool: Who does the work: the workers of cpu or gpu, or this run itself (here); auto means
            the cpu workers where there is a server.
        dry_run: Show what would be done, and do nothing.
        resume: The id of a backfill to go on with; the range is then the old one.

    Raises:
        SettingsError: The pipeline, the range or the id.
        RunError: A partition failed; the table is complete before.
    """
    loaded = load_pipeline(pipeline)
    first, last = (partition_on(day, loaded.pipeline.partition) for day in (start, end))
    options = Options(only, order, max_parallel, max_failures, pool)
    plan = planned(loaded, first, last, options, resume)
    table = LiveTable(plan, loaded.store)
    table.show()
    if not dry_run:
        carry_out(loaded, table)
    return plan


def carry_out(loaded: Loaded, table: LiveTable) -> None:
    """Do the work of a backfill; its record and its table are complete however it ends.

    Raises:
        RunError: A partition failed, or the server stayed away.
    """
    plan = table.backfill
    with withholding(loaded), shared(loaded.root):
        plan.save(loaded.store)
        table.log(f"backfill {plan.id}: {plan.count(RowState.WAITING)} partition(s) to mine")
        try:
            pool = _pool(plan.pool)
            if pool == "here":
                work_here(loaded, table)
            else:
                work_on_pool(loaded, table, pool)
        finally:
            plan.save(loaded.store)
            table.show()
    if plan.failed():
        raise _failed(plan)


def _pool(asked: Pool) -> str:
    if asked != "auto":
        return asked
    stays = get_current_settings().api.url and not is_temporary()
    return "cpu" if stays else "here"


def _failed(plan: Backfill) -> RunError:
    failed, waiting = plan.failed(), plan.count(RowState.WAITING)
    left = f", and {waiting} were not begun" if waiting else ""
    return RunError(
        got=f"{len(failed)} of {len(plan.rows)} partitions failed{left}: {', '.join(failed[:12])}",
        expected="every partition to be mined",
        fix=f"correct what the table names, then go on with: {plan.resume_command()}",
    )
