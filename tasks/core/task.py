"""What every stage's task does: reuse the finished artifact, or make it and log its counts."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, cast

from prefect import get_run_logger, runtime, task
from prefect.states import Completed

from fusemine.tasks.core.artifact import ArtifactRef, Draft, Job, find, read_manifest
from fusemine.tasks.core.errors import ArtifactError, FusemineError, StageError

Parameters = ParamSpec("Parameters")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefect.client.schemas.objects import State


_MAY_PASS = {
    errno.EAGAIN, errno.EBUSY, errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET,
    errno.EHOSTUNREACH, errno.EIO, errno.ENETUNREACH, errno.ESTALE, errno.ETIMEDOUT,
}  # fmt: skip
RETRY_DELAYS = (2.0, 10.0, 30.0)
"""Seconds between the attempts at a source that cannot be reached for the moment."""


def stage_task(
    name: str, run_name: str | None = None, retry_delays: tuple[float, ...] = ()
) -> Callable[[Callable[Parameters, ArtifactRef]], Callable[Parameters, ArtifactRef]]:
    """A Prefect task whose caller gets the artifact, also where the task returns a state.

    Args:
        name: Name of the task.
        run_name: Template of its runs' names.
        retry_delays: Seconds to wait before each further attempt, where one could help.
    """

    def decorate(work: Callable[Parameters, ArtifactRef]) -> Callable[Parameters, ArtifactRef]:
        prefect_task = task(
            name=name,
            task_run_name=run_name,
            retries=len(retry_delays),
            retry_delay_seconds=list(retry_delays) or None,
            retry_condition_fn=_may_pass,
        )(work)

        @wraps(work)
        def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> ArtifactRef:
            state = prefect_task(*args, return_state=True, **kwargs)
            return state.result()

        return call

    return decorate


def execute(job: Job, work: Callable[[Draft], None]) -> ArtifactRef:
    """The artifact of a job: the finished one, in a state named Reused, or a new one.

    Args:
        job: What is to be made.
        work: Writes the tables and counts the rows.
    """
    found = find(job)
    if found is not None:
        message = f"key {job.recipe.key} is complete"
        state: Any = Completed(name="Reused", message=message, data=found)
        return cast("ArtifactRef", state)
    with _failing_as(job), Draft(replace(job, runs=run_ids())) as draft:
        work(draft)
    ref = draft.finished()
    rows = read_manifest(ref.path).rows
    get_run_logger().info(
        "%s %s: %d rows in, %d kept, %d rejected (key %s)",
        job.stage, job.partition, rows.rows_in, rows.rows_kept, rows.rows_rejected, job.recipe.key,
    )  # fmt: skip
    return ref


def _may_pass(_task: object, _run: object, state: State[Any]) -> bool:
    """Whether another attempt could help: a disk or a network, but no mistake in the input."""
    error = state.result(raise_on_failure=False)
    cause = error.__cause__ if isinstance(error, FusemineError) else error
    return isinstance(cause, OSError) and cause.errno in _MAY_PASS


@contextmanager
def _failing_as(job: Job) -> Iterator[None]:
    """Any error within the block names the stage and the rows that it failed on."""
    try:
        yield
    except FusemineError as error:
        error.stage = job.stage
        raise
    except Exception as error:
        failure = _described(job, error)
        failure.stage = job.stage
        raise failure from error


def _described(job: Job, error: Exception) -> FusemineError:
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
        expected="every stage to finish, or to say what is wrong with its rows",
        fix="this is a fault in fusemine; FUSEMINE_DEBUG=1 shows where",
    )


def _rows_of(job: Job) -> str:
    """Where the rows are that a job reads."""
    names = job.inputs or tuple(job.sources)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"the rows of {names[0]}{more}" if names else "its rows"


def run_ids() -> dict[str, str]:
    """The ids of the Prefect runs that this code runs in, where it does."""
    ids: dict[str, Any] = {
        "flow_run_id": runtime.flow_run.id,
        "task_run_id": runtime.task_run.id,
    }
    return {name: str(value) for name, value in ids.items() if value}


def made_by_this_run(ref: ArtifactRef) -> bool:
    """Whether the artifact was made by the flow run that asks, and not reused."""
    return bool(read_manifest(ref.path).runs.get("flow_run_id") == runtime.flow_run.id)
