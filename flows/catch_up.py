"""Catching up: what a time without a server or worker has left undone is found and mined."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from fusemine.flows.backfill import carry_out
from fusemine.flows.backfills.live_table import LiveTable
from fusemine.flows.backfills.selection import Options, plan_backfill
from fusemine.flows.backfills.state import Backfill, Pool
from fusemine.flows.config.pipeline import load_pipeline
from fusemine.flows.coverage.coverage import Coverage, State, coverage_of
from fusemine.flows.server.hooks import HOOKS
from fusemine.tasks.core.partition import is_partition, scheduled_partition
from fusemine.tasks.upkeep.latest import Latest

ATTEMPTS = 3
"""How often a partition that fails is tried before it is left to a person."""


@flow(name="catch-up", **HOOKS)
def catch_up(
    pipeline: Path, lookback: Annotated[int, Field(ge=1)] = 31, pool: Pool = "auto"
) -> Backfill | None:
    """Mine the partitions that no run has mined since the first one that did.

    What came before the first complete run is a backfill's business, and the partition that is
    still filling is the schedule's. A partition that failed is tried again, three times in all.

    Args:
        pipeline: The pipeline.yaml of the table.
        lookback: How many of the newest partitions to look at.
        pool: Who does the work: the workers of cpu or gpu, or this run itself (here); auto means
            the cpu workers where there is a server.
    """
    loaded = load_pipeline(pipeline)
    coverage = coverage_of(loaded)
    done = [k for k in Latest(loaded.store).partitions() if is_partition(k, loaded.calendar)]
    due = scheduled_partition(datetime.now(UTC), loaded.pipeline.partition)
    keys = [key for key in coverage.partitions() if done and done[0] <= key < due][-lookback:]
    missed = [key for key in keys if _is_missed(coverage, key)]
    if not missed:
        return None
    plan = plan_backfill(coverage, missed[0], missed[-1], Options(pool=pool))
    plan.leave_out({*keys} - {*missed})
    carry_out(loaded, LiveTable(plan, loaded.store))
    return plan


def _is_missed(coverage: Coverage, partition: str) -> bool:
    covered = coverage.of(partition)
    if covered.failure is not None:
        return covered.failure.attempts < ATTEMPTS
    return covered.state is State.MISSING
