"""The main flow: collect → clean → embed → fuse → mine → report, for one partition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow

from fusemine.flows.engine.attempt import check_gates, recording_failure
from fusemine.flows.engine.chain import registry_of
from fusemine.flows.engine.config import load_pipeline
from fusemine.flows.engine.failures import clear_failure
from fusemine.flows.engine.jobs import Jobs
from fusemine.flows.engine.outcome import Outcome, describe
from fusemine.flows.engine.plan import Plan, make_plan, narrowed, resolve_early, run_name
from fusemine.flows.engine.prepare import Prepared
from fusemine.flows.engine.publish import publish
from fusemine.flows.server.alerts import alert
from fusemine.flows.server.process_tracking import note_process
from fusemine.flows.server.progress import shown_in_ui
from fusemine.flows.serving.in_use import Train, use_models
from fusemine.tasks.core.locks import shared
from fusemine.tasks.core.windowed import WindowRefs
from fusemine.tasks.fuse.task import fuse
from fusemine.tasks.inventory.source import read_listing
from fusemine.tasks.inventory.task import collect
from fusemine.tasks.mine.anomalies.task import anomaly_window
from fusemine.tasks.mine.classify.task import classify_window
from fusemine.tasks.mine.topics.task import cluster_window
from fusemine.tasks.report.task import Made, report_window

if TYPE_CHECKING:
    from fusemine.tasks.core.artifact import ArtifactRef


@flow(
    name="mine",
    flow_run_name=run_name,
    on_running=[note_process],
    on_failure=[alert],
    on_crashed=[alert],
)
def mine(pipeline: Path, partition: str = "latest", train: Train = "due") -> Outcome:
    """Mine one partition of a table, and the window of partitions up to it.

    Every earlier partition that is not prepared yet is collected, cleaned and embedded first, and
    the registry of topics is brought up to the one that is mined; what is complete is reused. The
    model in use scores the partition, and a new one may take its place. A partition without rows
    completes without a report.

    Args:
        pipeline: The pipeline.yaml of the table.
        partition: A partition such as 1996-05, or latest, or scheduled.
        train: due: train a new model where `models.retrain` says so; now: in any case; never: a
            backfill, which leaves the model in use as it is.
    """
    loaded = load_pipeline(pipeline)
    with shown_in_ui(), shared(loaded.root):
        with recording_failure(loaded.root, resolve_early(partition, loaded.pipeline)):
            listing = read_listing(loaded.root, collect(loaded.source()))
        return mine_partition(make_plan(loaded, listing, partition), Prepared(loaded), train)


def mine_partition(plan: Plan, prepared: Prepared, train: Train) -> Outcome:
    """Prepare and mine the window of a plan, report on it, and note whether that failed."""
    with recording_failure(plan.root, plan.target):
        if plan.window:
            prepared.corrections(plan)  # a mistake in them should not wait for the encoder
            plan = narrowed(plan, prepared)
            prepared.prepare(plan.history, plan.target)
            registry = registry_of(plan, prepared)
            made = mine_window(plan, prepared.window(plan), registry)
            use = use_models(plan, prepared, made, train)
            outcome = report(plan, replace(made, models=use.shown))
            outcome = outcome.model_copy(update={"model": use.settle(plan.loaded)})
        else:
            check_gates(plan, None)
            outcome = Outcome(pipeline=plan.settings.name, partition=plan.partition, report=None)
    clear_failure(plan.root, plan.target)
    return outcome


def mine_window(plan: Plan, window: WindowRefs, registry: ArtifactRef) -> Made:
    """Fuse the window and run every miner on it."""
    settings, jobs = plan.settings, Jobs(plan, window)
    features = fuse(jobs.fuse(), window.cleaned, window.embedded, window.rules, settings.fuse)
    return Made(
        listing=plan.listing,
        raw=tuple(plan.window.values()),
        window=window,
        features=features,
        classes=classify_window(
            jobs.classify(), window, settings.classify, settings.fuse, settings.columns.label_kind
        ),
        clusters=cluster_window(jobs.cluster(registry), window, registry),
        anomalies=anomaly_window(jobs.anomaly(features), window, features, settings.anomaly),
        topics=registry,
    )


def report(plan: Plan, made: Made) -> Outcome:
    """Write the report, or reuse it, and make it the partition's last complete one.

    Raises:
        QualityError: A gate of the pipeline is breached; the report stays for inspection.
    """
    about, job = plan.about(), Jobs(plan, made.window).report(made)
    written = report_window(job, made, about, plan.settings.report)
    outcome = describe(plan.settings.name, plan.target, made, written)
    check_gates(plan, made)
    publish(plan, made, about, written, outcome)
    return outcome
