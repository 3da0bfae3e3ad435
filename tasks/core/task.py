"""A stage as a Prefect task: the one module below `tasks/` that knows Prefect."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger, runtime, task
from prefect.blocks.system import Secret
from prefect.states import Completed

from fusemine.tasks.core.errors import ArtifactError, FusemineError, StageError
from fusemine.tasks.core.inputs import execute
from fusemine.tasks.core.memory import is_panic, memory_error
from fusemine.tasks.core.stage import Scope
from fusemine.tasks.core.storage.artifact import ArtifactRef, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect.client.schemas.objects import State

    from fusemine.tasks.core.inputs import Log, Progress
    from fusemine.tasks.core.request import Request
    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.core.storage.artifact import Job

_MAY_PASS = {
    errno.EAGAIN, errno.EBUSY, errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET,
    errno.EHOSTUNREACH, errno.EIO, errno.ENETUNREACH, errno.ESTALE, errno.ETIMEDOUT,
}  # fmt: skip
RETRY_DELAYS = (2.0, 10.0, 30.0)
"""Seconds between the attempts at a source that cannot be reached for the moment."""
Compute = Callable[["Request", "Graph", "Progress", "Log"], ArtifactRef]
"""How a request is computed; `execute` is the plain way."""


def run_task(
    request: Request,
    graph: Graph,
    progress: Progress,
    found: ArtifactRef | None = None,
    compute: Compute = execute,
    withhold: bool = True,
) -> ArtifactRef:
    """Compute one result in a Prefect task of this thread, which logs its counts.

    Args:
        request: The result.
        graph: All stages.
        progress: Is called with how far it is.
        found: The result if it is complete already: the task then ends in a state named Reused.
        compute: How the request is computed.
        withhold: Whether Prefect is sent no words of an error that may quote a row.

    Raises:
        FusemineError: The stage failed.
    """
    job = request.job

    def work() -> ArtifactRef | State[ArtifactRef]:
        if found is not None:
            return Completed(name="Reused", message=f"key {job.recipe.key} is complete", data=found)
        with _described_errors(job, withhold):
            ids = {"flow_run_id": runtime.flow_run.id, "task_run_id": runtime.task_run.id}
            runs = {name: str(value) for name, value in ids.items() if value}
            running = replace(request, job=replace(job, runs=runs))
            ref = compute(running, graph, progress, get_run_logger().log)
        _log(ref)
        return ref

    delays = list(RETRY_DELAYS) if graph[job.stage].scope is Scope.SOURCE else []
    decorate: Callable[..., Any] = task(
        name=job.stage,
        task_run_name=f"{job.stage}-{job.partition}",
        retries=len(delays),
        retry_delay_seconds=delays or None,
        retry_condition_fn=_may_pass,
    )
    made: ArtifactRef = decorate(work)(return_state=True).result()
    return made


def secret(block: str) -> str | None:
    """What the Prefect Secret block of a name holds; None where there is none."""
    try:
        found: Any = Secret.load(block)
    except ValueError:  # what Prefect raises where there is no such block
        return None
    value: str = found.get()
    return value


def _log(ref: ArtifactRef) -> None:
    manifest = read_manifest(ref)
    rows = manifest.rows
    get_run_logger().info(
        "%s %s: %d rows in, %d kept, %d rejected (key %s)",
        ref.stage, ref.partition, rows.rows_in, rows.rows_kept, rows.rows_rejected, ref.key,
    )  # fmt: skip


def _may_pass(_task: object, _run: object, state: State[Any]) -> bool:
    """Whether another attempt could help: a disk or a network, but no mistake in the input."""
    error = state.result(raise_on_failure=False)
    cause = (error.cause or error.__cause__) if isinstance(error, FusemineError) else error
    return isinstance(cause, OSError) and cause.errno in _MAY_PASS


@contextmanager
def _described_errors(job: Job, withhold: bool) -> Iterator[None]:
    """Any error within the block names the stage and the rows that it failed on."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise  # a stop, or what Prefect ends a run by
        failure = error if isinstance(error, FusemineError) else _described(job, error)
        failure.stage = job.stage
        failure.__cause__ = error.__cause__ if failure is error else error
        if withhold:
            raise failure.withheld() from None
        raise failure from failure.__cause__


def _described(job: Job, error: BaseException) -> FusemineError:
    short = memory_error(error, f"{job.stage} of {job.partition}")
    if short is not None:
        return short
    what = f"{job.stage} of {job.partition} failed on {_rows_of(job)}: {type(error).__name__}"
    if isinstance(error, OSError):
        return ArtifactError(
            got=f"{what}: {error.strerror or error}",
            expected=f"room on the disk, and the right to read and write below {job.root}",
            fix="free some space or set root in the pipeline.yaml, then run again: what is "
            "complete is reused",
        )
    return StageError(
        got=f"{what}: {str(error)[:200]}",
        expected="every stage to finish, or to report what is wrong with its rows",
        fix="this is a fault in fusemine; FUSEMINE_DEBUG=1 shows where",
    )


def _rows_of(job: Job) -> str:
    """Where the rows come from that a job reads."""
    names = job.inputs or tuple(job.sources)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"the rows of {names[0]}{more}" if names else "its rows"
