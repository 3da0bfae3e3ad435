"""The main flow: collect → clean → embed → fuse → mine → report, for one partition."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.config import load_pipeline
from flows.outcome import Outcome, describe
from flows.plan import Plan, make_plan, run_name
from flows.prepare import prepare
from flows.progress import shown_in_ui
from flows.publish import publish
from tasks.collect.task import collect
from tasks.fuse.task import fuse, fuse_job
from tasks.mine.task import (
    ANOMALY,
    CLASSIFY,
    CLUSTER,
    WindowRefs,
    anomaly_window,
    classify_window,
    cluster_window,
    mine_job,
)
from tasks.report.task import Made, report_job, report_window


@flow(name="mine", flow_run_name=run_name)
def mine(
    pipeline: Annotated[Path, Field(description="The pipeline.yaml of the table.")],
    partition: Annotated[
        str, Field(description="A partition such as 1996-05, or latest, or scheduled.")
    ] = "latest",
) -> Outcome:
    """Mine one partition of a table, and the window of partitions up to it.

    Every partition of the window that is not prepared yet is collected, cleaned and embedded
    first; what is complete is reused. A partition without rows completes without a report.
    """
    with shown_in_ui():
        loaded = load_pipeline(pipeline)
        settings = loaded.pipeline
        inventory = collect(loaded.source())
        plan = make_plan(loaded, inventory, partition)
        if not plan.window:
            return Outcome(pipeline=settings.name, partition=plan.partition, report=None)
        made = mine_window(plan, prepare(plan))
        return report(plan, made)


def mine_window(plan: Plan, window: WindowRefs) -> Made:
    """Fuse the window and run every miner on it."""
    settings, root, target = plan.settings, plan.root, plan.target
    job = fuse_job(root, target, window.cleaned, window.embedded, window.rules, settings.fuse)
    features = fuse(job, window.cleaned, window.embedded, window.rules, settings.fuse)
    learning = (settings.classify, settings.fuse)
    return Made(
        inventory=plan.inventory,
        raw=tuple(plan.window.values()),
        window=window,
        features=features,
        classes=classify_window(
            mine_job(root, CLASSIFY, target, window, learning), window, *learning
        ),
        clusters=cluster_window(
            mine_job(root, CLUSTER, target, window, [settings.cluster]), window, settings.cluster
        ),
        anomalies=anomaly_window(
            mine_job(root, ANOMALY, target, window, [settings.anomaly], features),
            window,
            features,
            settings.anomaly,
        ),
    )


def report(plan: Plan, made: Made) -> Outcome:
    """Write the report, or reuse it, and make it the partition's last complete one."""
    about = plan.about()
    job = report_job(plan.root, made, about, plan.settings.report)
    written = report_window(job, made, about, plan.settings.report)
    outcome = describe(plan.settings.name, plan.target, made, written)
    publish(plan, made, about, written, outcome)
    return outcome
