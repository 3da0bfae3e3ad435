"""Scoring a file of new rows with the model in use, from the UI or by another program."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from fusemine.flows.config.pipeline import load_pipeline
from fusemine.flows.server.errors import shown
from fusemine.flows.server.hooks import HOOKS
from fusemine.flows.server.progress import shown_in_ui
from fusemine.flows.server.publishing import log_line, publishes_rows, withholding, withholds
from fusemine.flows.serving.scoring import request_of, results_of, scored_lines
from fusemine.tasks.core import progress
from fusemine.tasks.core.storage.artifact import find
from fusemine.tasks.core.storage.locks import shared
from fusemine.tasks.core.task import run_task
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.table.escaping import escape_markdown


@flow(name="score", **HOOKS)
def score(pipeline: Path, file: Path) -> str:
    """Score the rows of a file with the model in use; returns where the results are.

    Nothing is written unless the whole file can be read. Rows that cannot be used are in a table
    beside the results, each with its reason.

    Args:
        pipeline: The pipeline.yaml of the table.
        file: The new rows, in a form that the pipeline's source could have.
    """
    loaded = load_pipeline(pipeline)
    with withholding(loaded), shown_in_ui(), shared(loaded.root):
        request = request_of(loaded, file)
        scored = run_task(
            request,
            GRAPH,
            partial(progress.report, request.job.stage),
            find(request.job),
            withhold=withholds(),
        )
    lines = scored_lines(scored, names=publishes_rows(loaded))
    for line in lines:
        log_line(line)
    text = "\n".join(f"- {escape_markdown(line)}" for line in lines)
    shown(lambda: create_markdown_artifact(text, key=f"scored-{loaded.pipeline.name}"))
    return results_of(scored)
