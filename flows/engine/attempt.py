"""One attempt at a partition: what it must pass, the record of its failure, and what it leaves."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from prefect import runtime
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from fusemine.flows.config.quality import QualitySettings, check_quality, quality_facts
from fusemine.flows.engine.failures import record_failure
from fusemine.flows.engine.figures import figures_of
from fusemine.flows.server.errors import shown
from fusemine.flows.server.publishing import publishes_rows
from fusemine.tasks.core.errors import QualityError
from fusemine.tasks.core.storage.artifact import read_bytes
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.report.compute import MARKDOWN
from fusemine.tasks.table.escaping import escape_markdown
from fusemine.tasks.upkeep.latest import Completed, Latest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fusemine.flows.config.pipeline import Loaded
    from fusemine.flows.engine.outcome import Outcome
    from fusemine.flows.engine.walk import Walk
    from fusemine.tasks.core.storage.artifact import ArtifactRef

SHOWN = (
    "average_precision",
    "average_precision_interval",
    "roc_auc",
    "log_loss",
    "calibration_error",
    "rmse",
    "rmse_interval",
    "mae",
    "r2",
)
"""The metrics that the UI shows of each view."""


@contextmanager
def recording_failure(loaded: Loaded, partition: str | None) -> Iterator[None]:
    """Record below the root that the block failed for a partition, where one is known."""
    try:
        yield
    except Exception as error:
        if partition is not None:
            run = runtime.flow_run.id
            with suppress(OSError):  # a root that cannot be written is the error itself
                record_failure(loaded.store, partition, error, str(run) if run else None)
        raise


def check_gates(walk: Walk) -> None:
    """Hold a partition against the pipeline's gates, before it becomes the last complete one.

    Raises:
        QualityError: A gate is breached.
    """
    plan, listing = walk.plan, walk.session.listing
    settings = plan.settings.quality
    if settings == QualitySettings():
        return
    raw = listing.raw.get(plan.target)
    cleaned = walk.result(GRAPH["clean"], plan.target) if plan.window else None
    facts = quality_facts(plan.target, raw, cleaned, listing.inventory, settings)
    breaches = check_quality(settings, facts)
    if breaches:
        raise QualityError(
            got="; ".join(breaches),
            expected="a partition that passes the gates in quality of the pipeline.yaml",
            fix="correct the delivery, or widen the gate; the run's artifacts stay for inspection "
            "and the last complete run stays the last one",
        )


def publish(walk: Walk, report: ArtifactRef, outcome: Outcome) -> None:
    """Name the run as the last complete one of its partition, and show its summary."""
    loaded = walk.plan.loaded
    record = Completed(
        pipeline=outcome.pipeline,
        partition=walk.plan.target,
        keys={name: stage.key for name, stage in outcome.stages.items()},
    )
    Latest(loaded.store).publish(record, report, loaded.calendar)
    shown(lambda: _show_in_ui(walk, report, outcome))


def _show_in_ui(walk: Walk, report: ArtifactRef, outcome: Outcome) -> None:
    """Put the report's summary and the metrics on the flow run's page."""
    settings = walk.plan.settings
    key = re.sub(r"[^a-z0-9]+", "-", f"{settings.name}-{walk.plan.target}".lower())
    if publishes_rows(walk.plan.loaded):
        text = read_bytes(report, MARKDOWN).decode()
    else:
        text = figures_of(walk, outcome)
    title = escape_markdown(settings.title or settings.name)  # the UI renders it
    create_markdown_artifact(text, key=f"{key}-report", description=title)
    views = [view for metrics in outcome.metrics.values() for view in metrics.items()]
    rows = [{"view": view, **_shown(metrics)} for view, metrics in views if len(metrics) > 1]
    if rows:
        create_table_artifact(rows, key=f"{key}-metrics", description="Metrics on the test rows")


def _shown(metrics: Mapping[str, Any]) -> dict[str, object]:
    """The metrics that fit beside each other on a screen; all of them are in the report."""
    names = [name for name in SHOWN if name in metrics]
    return {name.replace("_", " "): _rounded(metrics[name]) for name in names}


def _rounded(value: object) -> object:
    if isinstance(value, list):
        return " to ".join(str(_rounded(v)) for v in value)
    return round(value, 4) if isinstance(value, float) else value
