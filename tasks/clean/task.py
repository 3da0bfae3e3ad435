"""Cleaning as a Prefect task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.clean.clean import clean
from fusemine.tasks.core.artifact import MAIN, ArtifactRef, Draft, Job, read_frame
from fusemine.tasks.core.contract import CLEAN, RAW, REJECTED
from fusemine.tasks.core.key import Stage, recipe
from fusemine.tasks.core.task import execute, stage_task

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from fusemine.tasks.clean.settings import CleanSettings
    from fusemine.tasks.table.roles import Columns

STAGE = Stage("clean", ("fusemine.tasks.clean.clean",), ("polars", "pyarrow"))


def clean_job(
    root: Path,
    partition: str,
    raw: ArtifactRef,
    columns: Columns,
    settings: CleanSettings,
    timezone: str,
) -> Job:
    """The job of cleaning one partition."""
    values = {
        # A corrected label must not let clean rows, and all that is made of them, be stale.
        "columns": columns.model_dump(mode="json", exclude={"label": {"note", "corrections"}}),
        "clean": settings.model_dump(mode="json"),
        "timezone": timezone,
    }
    return Job(root, STAGE.name, partition, recipe(STAGE, (raw.sha256,), values), (raw.name,))


@stage_task("clean", "clean-{job.partition}")
def clean_partition(
    job: Job, raw: ArtifactRef, columns: Columns, settings: CleanSettings, timezone: str
) -> ArtifactRef:
    """Clean the rows of one partition."""

    def work(draft: Draft) -> None:
        rows = read_frame(raw, RAW)
        cleaned = clean(rows, columns, settings, timezone)
        draft.table(MAIN, cleaned.rows, CLEAN)
        draft.table("rejected", cleaned.rejected, REJECTED)
        draft.json("summary.json", _summary(cleaned.rows, cleaned.unreadable))
        draft.count(rows.height, cleaned.rows.height, cleaned.rejected.height)

    return execute(job, work)


def _summary(rows: pl.DataFrame, unreadable: dict[str, int]) -> dict[str, object]:
    return {
        "distinct_texts": rows.filter("has_text").get_column("text").n_unique(),
        "unreadable_numbers": unreadable,
    }
