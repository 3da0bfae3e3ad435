"""What every stage's task does: reuse the finished artifact, or make it and log its counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger, runtime
from prefect.states import Completed

from tasks.artifacts import ArtifactRef, Draft, Job, find, read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect import State


def execute(job: Job, work: Callable[[Draft], None]) -> ArtifactRef | State[ArtifactRef]:
    """The artifact of a job: the finished one, in a state named Reused, or a new one.

    Args:
        job: What is to be made.
        work: Writes the tables and counts the rows.
    """
    found = find(job)
    if found is not None:
        return Completed(name="Reused", message=f"key {job.recipe.key} is complete", data=found)
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
