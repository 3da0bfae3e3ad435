"""Taking a model into use by hand, or the one before it back."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from fusemine.flows.config.pipeline import load_pipeline
from fusemine.flows.server.hooks import HOOKS
from fusemine.flows.server.publishing import log_line
from fusemine.flows.serving.choose import choose_model


@flow(name="promote", **HOOKS)
def promote(pipeline: Path, model: str = "previous", why: str = "by hand") -> str:
    """Take a model into use: it scores new rows from now on.

    Args:
        pipeline: The pipeline.yaml of the table.
        model: The id of a model; previous for the one that was in use before (a rollback).
        why: A sentence for those who look later.
    """
    line = choose_model(load_pipeline(pipeline), model, why)
    log_line(line)
    return line
