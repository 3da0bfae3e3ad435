"""A run in counts and figures, as the Prefect server may be sent them: nothing of a single row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.storage.artifact import SUMMARY, has_file, read_json
from fusemine.tasks.report.markdown import chapter, table
from fusemine.tasks.table.escaping import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.flows.engine.outcome import Outcome
    from fusemine.flows.engine.walk import Walk

_STAGES = ("stage", "rows in", "kept", "rejected", "seconds")


def figures_of(walk: Walk, outcome: Outcome) -> str:
    """The Markdown for the run's page: what each stage counted, and where the report is."""
    settings = walk.plan.settings
    stages = [
        (name, f"{s.rows_in:,}", f"{s.rows_kept:,}", f"{s.rows_rejected:,}", _took(s.seconds))
        for name, s in outcome.stages.items()
    ]
    blocks = [
        f"# {escape_markdown(settings.title or settings.name)}",
        f"{escape_markdown(outcome.partition)}: {len(walk.plan.window):,} partitions mined",
        f"Report: {escape_markdown(outcome.report)}",
        table(_STAGES, stages),
        chapter("Figures", table(("stage", "figure", "value"), _figures(walk), words=2)),
        "Words and rows are in the report alone; `report.publish` in the pipeline.yaml sets that.",
    ]
    return "\n\n".join(blocks) + "\n"


def _took(seconds: float) -> str:
    return f"{seconds:,.1f}" if seconds else "reused"


def _figures(walk: Walk) -> Iterator[tuple[str, str, str]]:
    """The numbers that stages give by a name of their own; names that come from data lie deeper."""
    for stage, (ref, *more) in walk.shown().items():
        if more or not has_file(ref, SUMMARY):
            continue
        for name, value in read_json(ref).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                shown = f"{value:,.4g}" if value % 1 else f"{value:,.0f}"
                yield stage, name.replace("_", " "), shown
