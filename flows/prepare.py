"""Preparing partitions for others to mine: one scan of the source, one load of the encoder."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from fusemine.flows.config.pipeline import load_pipeline
from fusemine.flows.engine.plan import make_plan
from fusemine.flows.engine.runner import LocalRunner
from fusemine.flows.engine.session import Session, open_session
from fusemine.flows.engine.walk import Walk, prepared
from fusemine.flows.server.hooks import HOOKS
from fusemine.flows.server.progress import shown_in_ui
from fusemine.flows.server.publishing import withholding
from fusemine.tasks.core.stage import Scope
from fusemine.tasks.core.storage.locks import shared
from fusemine.tasks.graph import GRAPH


@flow(name="prepare", **HOOKS)
def prepare(pipeline: Path, partitions: list[str]) -> int:
    """Collect, clean and embed partitions, and mine none; returns how many there are.

    The topic chain is advanced to the last of them.

    Args:
        pipeline: The pipeline.yaml of the table.
        partitions: Which partitions; an empty list means all of them.
    """
    loaded = load_pipeline(pipeline)
    with withholding(loaded), shown_in_ui(), shared(loaded.root):
        session = open_session(loaded, LocalRunner())
        raw = session.listing.raw
        chosen = [key for key in partitions or raw if raw.get(key) is not None]
        if chosen:
            walk = prepare_up_to(session, chosen)
            for stage in GRAPH.of(Scope.CHAIN):
                walk.result(stage, walk.plan.target)
        return len(chosen)


def prepare_up_to(session: Session, partitions: list[str]) -> Walk:
    """Prepare some partitions, and the history of the last of them as its pipeline wants it."""
    loaded, last = session.loaded, max(partitions)
    plan = make_plan(loaded, session.listing.raw, last)
    if loaded.pipeline.gaps == "report":
        plan = plan.narrowed([*prepared(session, plan.history), *partitions])
    walk = Walk(session, plan)
    walk.check()
    walk.prepare()
    return walk
