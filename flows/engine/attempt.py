"""One attempt at a partition: what it must pass, and the record of its failure."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from prefect import runtime

from fusemine.flows.engine.failures import note_failure
from fusemine.flows.engine.quality import QualitySettings, check_quality, quality_facts
from fusemine.tasks.core.errors import QualityError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fusemine.flows.engine.plan import Plan
    from fusemine.tasks.report.task import Made


@contextmanager
def recording_failure(root: Path, partition: str | None) -> Iterator[None]:
    """Record below the root that the block failed for a partition, where one is known."""
    try:
        yield
    except Exception as error:
        if partition is not None:
            run = runtime.flow_run.id
            with suppress(OSError):  # a root that cannot be written is the error itself
                note_failure(root, partition, error, str(run) if run else None)
        raise


def check_gates(plan: Plan, made: Made | None) -> None:
    """Hold a partition against the pipeline's gates, before it becomes the last complete one.

    Args:
        plan: The run.
        made: What it made; None for a partition without rows.

    Raises:
        QualityError: A gate is breached.
    """
    settings, inventory = plan.settings.quality, plan.listing.inventory
    if inventory is None or settings == QualitySettings():
        return
    raw = plan.window.get(plan.target)
    cleaned = made.window.cleaned[-1] if made else None
    facts = quality_facts(plan.target, raw, cleaned, inventory, settings)
    breaches = check_quality(settings, facts)
    if breaches:
        raise QualityError(
            got="; ".join(breaches),
            expected="a partition that passes the gates in quality of the pipeline.yaml",
            fix="mend the delivery, or widen the gate; the run's artifacts stay for inspection and "
            "the last complete run stays the last one",
        )
