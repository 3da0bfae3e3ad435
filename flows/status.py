"""The coverage of a pipeline as a table: on the terminal, as JSON, and in the Prefect UI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact

from fusemine.flows.backfills.grids import coverage_rows
from fusemine.flows.config.pipeline import load_pipeline
from fusemine.flows.coverage.coverage import coverage_of
from fusemine.flows.server.publishing import publishes_rows
from fusemine.tasks.table.escaping import escape_markdown, escape_rows


@flow(name="status")
def status(pipeline: Path) -> list[dict[str, Any]]:
    """Show which partitions and stages are complete, stale, failed, missing or gaps.

    Args:
        pipeline: The pipeline.yaml of the table.
    """
    loaded = load_pipeline(pipeline)
    covered = coverage_of(loaded).covered()
    create_table_artifact(
        escape_rows(coverage_rows(covered, public=not publishes_rows(loaded))),
        key=f"status-{loaded.pipeline.name}",
        description=f"Coverage of {escape_markdown(loaded.path)}",
    )
    return coverage_rows(covered)
