"""Preparing partitions for others to mine: one scan of the source, one load of the encoder."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from fusemine.flows.engine.chain import registry_of
from fusemine.flows.engine.config import load_pipeline
from fusemine.flows.engine.plan import make_plan, narrowed
from fusemine.flows.engine.prepare import Prepared
from fusemine.flows.server.alerts import alert
from fusemine.flows.server.process_tracking import note_process
from fusemine.flows.server.progress import shown_in_ui
from fusemine.tasks.core.locks import shared
from fusemine.tasks.inventory.source import read_listing
from fusemine.tasks.inventory.task import collect


@flow(name="prepare", on_running=[note_process], on_failure=[alert], on_crashed=[alert])
def prepare(pipeline: Path, partitions: list[str]) -> int:
    """Collect, clean and embed partitions, and mine none; returns how many there are.

    The registry of topics is brought up to the last of them.

    Args:
        pipeline: The pipeline.yaml of the table.
        partitions: Which partitions; an empty list means all of them.
    """
    loaded = load_pipeline(pipeline)
    with shown_in_ui(), shared(loaded.root):
        listing = read_listing(loaded.root, collect(loaded.source()))
        chosen = partitions or list(listing.raw)
        raw = {key: ref for key, ref in listing.raw.items() if ref is not None and key in chosen}
        prepared = Prepared(loaded)
        prepared.prepare(raw)
        if raw:
            plan = narrowed(make_plan(loaded, listing, max(raw)), prepared)
            prepared.prepare(plan.history)
            registry_of(plan, prepared)
        return len(raw)
