"""After a run: what is the newest, and what the Prefect UI shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from fusemine.flows.server.errors import shown
from fusemine.tasks.core.io import replace_file
from fusemine.tasks.report.task import HTML, show_in_ui

if TYPE_CHECKING:
    from fusemine.flows.engine.outcome import Outcome
    from fusemine.flows.engine.plan import Plan
    from fusemine.tasks.core.artifact import ArtifactRef
    from fusemine.tasks.report.task import About, Made


def publish(plan: Plan, made: Made, about: About, report: ArtifactRef, outcome: Outcome) -> None:
    """Name the run's keys as the last complete ones of its partition, and show its summary."""
    latest = plan.root / "latest"
    record = {
        "pipeline": outcome.pipeline,
        "partition": outcome.partition,
        "keys": {name: stage.key for name, stage in outcome.stages.items()},
        "report": str(Path(report.path).relative_to(plan.root) / HTML),
    }
    replace_file(latest / f"{plan.target}.json", json.dumps(record, indent=1).encode() + b"\n")
    # A backfill of an old partition does not take the place of the newest one's report.
    if plan.target == max(path.stem for path in latest.glob("*.json")):
        newest = (Path(report.path) / HTML).read_bytes()
        replace_file(plan.root / "report" / "latest.html", newest)
    shown(lambda: show_in_ui(report, made.classes, about))
