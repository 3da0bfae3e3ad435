"""A backfill by the workers of a pool: one deployment run for each partition."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Crashed
from prefect.utilities.urls import url_for

from fusemine.flows.backfills.state import Row, RowState
from fusemine.flows.engine.failures import read_failures
from fusemine.flows.engine.plan import make_plan
from fusemine.flows.engine.session import open_session
from fusemine.flows.engine.walk import Walk, prepared
from fusemine.flows.server.errors import is_unreachable
from fusemine.flows.server.hooks import has_not_begun
from fusemine.tasks.core.errors import RunError, ServerError
from fusemine.tasks.core.stage import Scope
from fusemine.tasks.graph import GRAPH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusemine.flows.backfills.live_table import LiveTable
    from fusemine.flows.config.pipeline import Loaded

POLL_SECONDS = 2.0
IDLE_SECONDS = 60.0
"""Seconds without a worker after which a warning is logged, again and again."""
PATIENCE = 300.0
"""Seconds that a server may be down."""
PREPARATION = "prepare"

Value = TypeVar("Value")


def work_on_pool(loaded: Loaded, table: LiveTable, pool: str) -> None:
    """Have the workers of a pool mine the waiting partitions, and record how each ended.

    Raises:
        RunError: The deployments are not there, or the server stays away.
    """
    with get_client(sync_client=True) as client:
        runs = _Runs(client, loaded, table, pool)
        try:
            runs.prepare()
            runs.mine()
        except BaseException:
            runs.cancel()
            raise


class _Runs:
    """The runs that this backfill has under way."""

    def __init__(
        self, client: SyncPrefectClient, loaded: Loaded, table: LiveTable, pool: str
    ) -> None:
        self._client, self._loaded, self._table, self._pool = client, loaded, table, pool
        self._active: dict[str, Row] = {}
        self._idle_since = time.monotonic()
        self._rows: dict[str, int] = {}

    def prepare(self) -> None:
        """Have the union of the windows prepared by one run."""
        backfill = self._table.backfill
        targets = [row.partition for row in backfill.waiting()]
        needed = _unprepared(self._loaded, targets)
        if not needed:
            return
        backfill.preparation = backfill.preparation or Row(
            partition=PREPARATION, state=RowState.WAITING
        )
        self._begin(backfill.preparation, "prepare", {"partitions": needed})
        while self._active:
            self._poll()
        raw = open_session(self._loaded).listing.raw
        self._rows = {key: ref.rows for key, ref in raw.items() if ref is not None}

    def mine(self) -> None:
        """Have each waiting partition mined, at most `max_parallel` at a time."""
        backfill = self._table.backfill
        waiting = backfill.waiting()
        while waiting or self._active:
            while waiting and len(self._active) < backfill.max_parallel and backfill.can_continue():
                row = waiting.pop(0)
                self._begin(row, "mine", {"partition": row.partition, "train": "never"})
            if not backfill.can_continue():
                waiting = []
            if self._active:
                self._poll()

    def cancel(self) -> None:
        """Cancel the runs under way: cancelling their parent would leave them running."""
        for run, row in self._active.items():
            try:
                self._client.set_flow_run_state(UUID(run), Cancelling())
            except httpx.HTTPError:
                continue
            row.state = RowState.WAITING
        self._table.backfill.save(self._loaded.store)

    def _begin(self, row: Row, flow: str, parameters: dict[str, Any]) -> None:
        run = self._under_way(row) or self._start(row, flow, parameters)
        row.run, row.link, row.state = str(run.id), url_for(run), RowState.RUNNING
        row.error = row.public = None
        self._active[str(run.id)] = row
        self._table.changed(row)

    def _under_way(self, row: Row) -> FlowRun | None:
        """The run of an earlier attempt that goes on, or ended well, after its parent was lost."""
        if row.run is None:
            return None
        found = self._read([row.run])
        lives = found and found[0].state and not found[0].state.is_final()
        return found[0] if lives else None

    def _start(self, row: Row, flow: str, parameters: dict[str, Any]) -> FlowRun:
        row.attempt += 1
        name = f"{flow}/{flow}-{self._pool}"
        # The same key gives the same run: an attempt that is requested twice runs once.
        key = f"{self._table.backfill.id}-{row.partition}-{row.attempt}"
        pipeline = {"pipeline": str(self._loaded.path)}
        try:
            return self._with_retries(lambda: self._deploy(name, key, pipeline | parameters))
        except ObjectNotFound as error:
            raise RunError(
                got=f"no deployment {name!r} on the Prefect server",
                expected="the deployments of prefect.yaml",
                fix="prefect deploy --all; or mine in this process: --pool here",
            ) from error

    def _deploy(self, name: str, key: str, parameters: dict[str, Any]) -> FlowRun:
        tags = ["backfill", self._table.backfill.id]
        run = run_deployment(name, parameters=parameters, idempotency_key=key, tags=tags, timeout=0)
        return cast("FlowRun", run)

    def _poll(self) -> None:
        time.sleep(POLL_SECONDS)
        runs = [self._crashed_if_lost(run) for run in self._read(list(self._active))]
        for run in runs:
            if run.state is not None and run.state.is_final():
                self._end(self._active.pop(str(run.id)), run)
        self._warn_if_idle([run for run in runs if str(run.id) in self._active])

    def _crashed_if_lost(self, run: FlowRun) -> FlowRun:
        """The run itself, crashed if the worker that took it was lost before it began."""
        if not has_not_begun(run):
            return run
        crashed: State[None] = Crashed(message="its worker was lost before it began")
        self._with_retries(lambda: self._client.set_flow_run_state(run.id, crashed, force=True))
        return run.model_copy(update={"state": crashed})

    def _read(self, ids: Sequence[str]) -> list[FlowRun]:
        chosen = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(run) for run in ids]))
        return self._with_retries(lambda: self._client.read_flow_runs(flow_run_filter=chosen))

    def _end(self, row: Row, run: FlowRun) -> None:
        row.rows = self._rows.get(row.partition, row.rows)
        row.seconds = round(run.total_run_time.total_seconds(), 1)
        if run.state is not None and run.state.type is StateType.COMPLETED:
            row.state = RowState.COMPLETE
        else:
            row.failed(*self._why(row, run))
        self._table.changed(row)

    def _why(self, row: Row, run: FlowRun) -> tuple[str, str]:
        """Why a run failed, and the part of it that the server may be sent."""
        failure = read_failures(self._loaded.store).get(row.partition)
        if failure is not None and failure.flow_run_id == str(run.id):
            return failure.error, failure.public
        state = run.state
        why = f"{state.name}: {state.message or 'no message'}"[:300] if state else "no state"
        return why, why  # the server has it already

    def _warn_if_idle(self, active: Sequence[FlowRun]) -> None:
        """Log that no worker accepts a run, instead of waiting in silence."""
        taken = any(run.state and run.state.type is not StateType.SCHEDULED for run in active)
        if taken or not active:
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > IDLE_SECONDS:
            self._idle_since = time.monotonic()
            self._table.log(
                f"no worker has accepted a run of pool {self._pool!r} for {IDLE_SECONDS:.0f} s: "
                f"start one with `prefect worker start --pool {self._pool}`, or see in the "
                "Prefect UI whether the pool is paused or its limit is reached"
            )

    def _with_retries(self, request: Callable[[], Value]) -> Value:
        """Try again while the server is down, up to a limit."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return request()
            except Exception as error:
                if not is_unreachable(error):
                    raise
                if time.monotonic() > until:
                    raise ServerError(
                        got=f"no answer from the Prefect server for {PATIENCE:.0f} s",
                        expected="the server that the backfill began with",
                        fix=f"start it, then go on with: {self._table.backfill.resume_command()}",
                    ) from error
                self._table.log("the Prefect server does not answer; trying again in 5 s")
                time.sleep(5)


def _unprepared(loaded: Loaded, targets: Sequence[str]) -> list[str]:
    """The partitions that a run has to prepare first, and the last one, for its chains.

    These are all up to the last target, because topics go back to the first partition; where a
    pipeline leaves out what is not prepared, only the targets themselves.
    """
    session = open_session(loaded)
    raw, whole = session.listing.raw, loaded.pipeline.gaps == "prepare"
    targets = [key for key in targets if key in raw]
    if not targets:
        return []
    last = max(targets)
    needed = [key for key in raw if key <= last] if whole else targets
    there = prepared(session, [key for key in needed if raw[key] is not None])
    missing = {*needed} - {*there}
    if missing or any(raw[key] is None for key in raw if key <= last):
        return sorted({*missing, last})
    plan = make_plan(loaded, raw, last)
    plan = plan if whole else plan.narrowed(prepared(session, plan.history))
    walk = Walk(session, plan, runs=False)
    return [] if all(walk.result(chain, last) for chain in GRAPH.of(Scope.CHAIN)) else [last]
