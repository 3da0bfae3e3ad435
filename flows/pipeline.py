"""The main flow: collect → clean → embed → fuse → mine → report, for one partition."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow

from fusemine.flows.config.pipeline import load_pipeline
from fusemine.flows.engine.attempt import check_gates, publish, recording_failure
from fusemine.flows.engine.failures import clear_failure
from fusemine.flows.engine.outcome import Outcome, describe
from fusemine.flows.engine.plan import make_plan, resolve_before_reading, run_name
from fusemine.flows.engine.runner import LocalRunner
from fusemine.flows.engine.session import Session, open_session
from fusemine.flows.engine.walk import Walk, prepared
from fusemine.flows.server.hooks import HOOKS
from fusemine.flows.server.progress import shown_in_ui
from fusemine.flows.server.publishing import withholding
from fusemine.flows.serving.in_use import Train, use_models
from fusemine.tasks.core.storage.locks import shared

if TYPE_CHECKING:
    from fusemine.flows.engine.plan import Plan


@flow(name="mine", flow_run_name=run_name, **HOOKS)
def mine(pipeline: Path, partition: str = "latest", train: Train = "due") -> Outcome:
    """Mine one partition of a table, and the window of partitions up to it.

    Every earlier partition that is not prepared yet is collected, cleaned and embedded first, and
    the chain of topics is brought up to the one that is mined; what is complete is reused. The
    model in use scores the partition, and a new one may take its place. A partition without rows
    completes without a report.

    Args:
        pipeline: The pipeline.yaml of the table.
        partition: A partition such as 1996-05, or latest, or scheduled.
        train: due: train a new model where `models.retrain` says so; now: in any case; never: a
            backfill, which leaves the model in use as it is.
    """
    loaded = load_pipeline(pipeline)
    with withholding(loaded), shown_in_ui(), shared(loaded.root):
        with recording_failure(loaded, resolve_before_reading(partition, loaded.pipeline)):
            session = open_session(loaded, LocalRunner())
        return mine_partition(session, make_plan(loaded, session.listing.raw, partition), train)


def mine_partition(session: Session, plan: Plan, train: Train) -> Outcome:
    """Prepare and mine the window of a plan, report on it, and note whether that failed."""
    if plan.settings.gaps == "report":
        plan = plan.narrowed(prepared(session, plan.history))
    walk = Walk(session, plan)
    with recording_failure(plan.loaded, plan.target):
        if plan.window:
            outcome = _mined(walk, train)
        else:
            check_gates(walk)
            outcome = Outcome(pipeline=plan.settings.name, partition=plan.partition, report=None)
    clear_failure(plan.loaded.store, plan.target)
    return outcome


def _mined(walk: Walk, train: Train) -> Outcome:
    walk.check()
    walk.prepare()
    walk.mine()
    use = use_models(walk, train)
    walk.serving = use.shown
    report = walk.report()
    assert report is not None  # noqa: S101  (a walk that runs computes what is missing)
    outcome = describe(walk, report)
    check_gates(walk)
    publish(walk, report, outcome)
    return outcome.model_copy(update={"model": use.settle(walk.session)})
