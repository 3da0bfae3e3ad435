"""Removing what no last complete run was made of, by hand or on a schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from fusemine.flows.config.pipeline import Loaded, load_pipeline
from fusemine.flows.server.hooks import HOOKS
from fusemine.flows.server.publishing import log_line
from fusemine.tasks.core.storage.locks import exclusive
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.serving.registry import read_registry
from fusemine.tasks.serving.settings import ModelSettings
from fusemine.tasks.upkeep import prune as upkeep


@flow(name="prune", **HOOKS)
def prune(pipeline: Path, dry_run: bool = True) -> None:
    """Remove the artifacts that no last complete run of a partition was made of.

    What is younger than the pipeline's `retention` stays, as do the embedding store and the models
    that `models.keep` says.

    Args:
        pipeline: The pipeline.yaml of the table.
        dry_run: Say what would be removed, and remove nothing.
    """
    plan = prune_root(load_pipeline(pipeline), dry_run)
    for line in plan.lines():
        log_line(line)


def prune_root(loaded: Loaded, dry_run: bool) -> upkeep.PrunePlan:
    """Plan the removal and, unless it is a dry run, carry it out while no run is going on.

    Raises:
        ArtifactError: A run is going on, or a record of a last run cannot be read.
    """
    if dry_run:
        return _plan(loaded)
    with exclusive(loaded.root):
        plan = _plan(loaded)
        upkeep.prune(plan)
    return plan


def _plan(loaded: Loaded) -> upkeep.PrunePlan:
    keep = loaded.pipeline.section(ModelSettings).keep
    models = read_registry(loaded.store).kept_artifacts(keep)
    now = datetime.now(UTC)
    return upkeep.plan_prune(loaded.store, GRAPH, loaded.pipeline.retention, now, models)
