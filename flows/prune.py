"""Removing what no last complete run was made of, by hand or on a schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, get_run_logger

from flows.alerts import alert
from flows.config import Loaded, load_pipeline
from flows.whereabouts import note_process
from tasks.locks import exclusive
from tasks.upkeep import prune as upkeep


@flow(name="prune", on_running=[note_process], on_failure=[alert], on_crashed=[alert])
def prune(pipeline: Path, dry_run: bool = True) -> None:
    """Remove the artifacts that no last complete run of a partition was made of.

    What is younger than the pipeline's `retention` stays, as does the embedding store.

    Args:
        pipeline: The pipeline.yaml of the table.
        dry_run: Say what would be removed, and remove nothing.
    """
    plan = prune_root(load_pipeline(pipeline), dry_run)
    for line in plan.lines():
        get_run_logger().info(line)


def prune_root(loaded: Loaded, dry_run: bool) -> upkeep.Prune:
    """Plan the removal and, unless it is a dry run, carry it out while no run is going on.

    Raises:
        ArtifactError: A run is going on, or a record of a last run cannot be read.
    """
    if dry_run:
        return upkeep.plan_prune(loaded.root, loaded.pipeline.retention, datetime.now(UTC))
    with exclusive(loaded.root):
        plan = upkeep.plan_prune(loaded.root, loaded.pipeline.retention, datetime.now(UTC))
        upkeep.prune(plan)
    return plan
