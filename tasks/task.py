"""What every stage's task does: reuse the finished artifact, or make it and log its counts."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, cast

from prefect import get_run_logger, runtime, task
from prefect.states import Completed

from tasks.artifacts import ArtifactRef, Draft, Job, find, read_manifest

Parameters = ParamSpec("Parameters")

if TYPE_CHECKING:
    from collections.abc import Callable


def stage_task(
    name: str, run_name: str | None = None
) -> Callable[[Callable[Parameters, ArtifactRef]], Callable[Parameters, ArtifactRef]]:
    """A Prefect task whose caller gets the artifact, also where the task returns a state.

    Args:
        name: Name of the task.
        run_name: Template of its runs' names.
    """

    def decorate(work: Callable[Parameters, ArtifactRef]) -> Callable[Parameters, ArtifactRef]:
        prefect_task = task(name=name, task_run_name=run_name)(work)

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
    with Draft(replace(job, runs=run_ids())) as draft:
        work(draft)
    ref = draft.finished()
    rows = read_manifest(ref.path).rows
    get_run_logger().info(
        "%s %s: %d rows in, %d kept, %d rejected (key %s)",
        job.stage, job.partition, rows.rows_in, rows.rows_kept, rows.rows_rejected, job.recipe.key,
    )  # fmt: skip
    return ref


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
