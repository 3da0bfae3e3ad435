"""Which partitions a backfill is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from fusemine.flows.backfills.state import Backfill, Row, RowState, load_backfill, new_id
from fusemine.flows.coverage.coverage import Coverage, Covered, State, coverage_of
from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.partition import ALL, check_partition, partition_of

if TYPE_CHECKING:
    from fusemine.flows.backfills.state import Only, Order, Pool
    from fusemine.flows.config.pipeline import Loaded
    from fusemine.tasks.core.partition import PartitionSettings

_CHOSEN = {
    "missing": {State.MISSING, State.STALE, State.FAILED},
    "failed": {State.FAILED},
    "all": {State.COMPLETE, State.MISSING, State.STALE, State.FAILED},
}
_LEFT = {State.COMPLETE: RowState.BEFORE, State.GAP: RowState.GAP, State.GONE: RowState.GAP}
"""What partitions are that are not chosen."""


@dataclass(frozen=True)
class Options:
    """How a backfill goes about its partitions.

    Args:
        only: Which states it mines; `missing` includes what is stale or failed.
        order: Which partition comes first.
        max_parallel: Partitions at a time, where a pool does the work.
        max_failures: No further partition is begun after so many have failed.
        pool: Who does the work: this process, or the workers of a pool.
    """

    only: Only = "missing"
    order: Order = "oldest"
    max_parallel: int = 1
    max_failures: int = 3
    pool: Pool = "auto"


def check_range(first: str | None, last: str | None, settings: PartitionSettings) -> None:
    """Refuse a range that cannot be.

    Raises:
        SettingsError: A key of another form, an end before the start, or a future partition.
    """
    keys = [check_partition(key, settings) for key in (first, last) if key is not None]
    today = partition_of(datetime.now(UTC), settings)
    if len(keys) == 2 and keys[1] < keys[0]:
        raise SettingsError(
            got=f"a range from {keys[0]} to {keys[1]}, which ends before it starts",
            expected="the older partition first",
            fix=f"use --from {keys[1]} --to {keys[0]}",
        )
    late = [key for key in keys if key > today]
    if late:
        raise SettingsError(
            got=f"partition {late[0]}, which is in the future",
            expected=f"partitions up to {today}",
            fix=f"end at {today} or before",
        )


def partition_on(day: date | None, settings: PartitionSettings) -> str | None:
    """The partition that a calendar day is in."""
    if day is None:
        return None
    return partition_of(datetime.combine(day, time(12), ZoneInfo(settings.timezone)), settings)


def plan_backfill(
    coverage: Coverage, first: str | None, last: str | None, options: Options
) -> Backfill:
    """The partitions of a range with their states, and which of them are to be mined.

    Args:
        coverage: The pipeline's partitions.
        first: The first partition; by default the first with rows.
        last: The last partition; by default the last with rows that is not in the future.
        options: How to go about them.

    Raises:
        SettingsError: The range cannot be.
    """
    loaded = coverage.session.loaded
    settings = loaded.pipeline.partition
    if ALL not in coverage.raw:
        check_range(first, last, settings)
    start, end = first or "", last or partition_of(datetime.now(UTC), settings)
    keys = [key for key in coverage.partitions() if key == ALL or start <= key <= end]
    if not keys:
        raise _empty(coverage, first, last)
    rows = [_row(coverage.of(key), options.only) for key in keys]
    return Backfill(
        id=new_id(),
        pipeline=loaded.path,
        created_at=datetime.now(UTC),
        rows=rows,
        **vars(options),
    )


def planned(
    loaded: Loaded, first: str | None, last: str | None, options: Options, resume: str | None
) -> Backfill:
    """What a backfill of a pipeline would do.

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
        plan.reset_unfinished()
        return plan
    if loaded.pipeline.columns.time is not None:
        check_range(first, last, loaded.pipeline.partition)
    return plan_backfill(coverage_of(loaded), first, last, options)


def _empty(coverage: Coverage, first: str | None, last: str | None) -> SettingsError:
    keys = coverage.partitions()
    held = f"{keys[0]} to {keys[-1]}" if keys else "no rows at all"
    return SettingsError(
        got=f"no partition with rows from {first or 'the first'} to {last or 'now'}",
        expected=f"a range that the source has rows in: it holds {held}",
        fix="correct --from and --to, or deliver the rows first",
    )


def _row(covered: Covered, only: Only) -> Row:
    left = _LEFT.get(covered.state, RowState.OTHER)
    state = RowState.WAITING if covered.state in _CHOSEN[only] else left
    row = Row(partition=covered.partition, state=state, rows=covered.rows)
    if covered.failure is not None:
        row.attempt, row.error = covered.failure.attempts, covered.failure.error
    return row
