"""What a run found, in the words of its last lines and of its JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import runtime
from pydantic import BaseModel

from fusemine.tasks.core.stage import Scope
from fusemine.tasks.core.storage.artifact import (
    SUMMARY,
    has_file,
    read_frame,
    read_json,
    read_manifest,
)
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.inventory.contracts import UNASSIGNED
from fusemine.tasks.report.compute import LINES, stage_key
from fusemine.tasks.upkeep.latest import html_of

if TYPE_CHECKING:
    from fusemine.flows.engine.walk import Refs, Walk
    from fusemine.tasks.core.storage.artifact import ArtifactRef


class StageOutcome(BaseModel):
    """What one stage did in this run; reused work took no seconds."""

    key: str
    reused: bool
    rows_in: int
    rows_kept: int
    rows_rejected: int
    seconds: float


class ModelOutcome(BaseModel):
    """The model in use after a run, and what was decided in it."""

    in_use: str
    trained: str | None = None
    decision: str | None = None
    why: str | None = None

    def as_text(self) -> str:
        """A line on it."""
        why = f" ({self.why})" if self.why else ""
        return f"Model in use: {self.in_use}{why}."


class Outcome(BaseModel):
    """What one run did and found."""

    pipeline: str
    partition: str | None
    report: Path | None
    seconds: float = 0.0
    rows: dict[str, int] = {}
    """The row equation: `rows_in` is the sum of the other counts."""
    stages: dict[str, StageOutcome] = {}
    metrics: dict[str, Any] = {}
    model: ModelOutcome | None = None
    lines: list[str] = []

    def as_json(self) -> str:
        """The JSON object that `--json` prints."""
        return self.model_dump_json(indent=1, exclude={"lines"})

    def as_text(self) -> str:
        """Where the report is, and what was found in a few lines."""
        if self.report is None:
            return f"no rows in partition {self.partition or 'latest'}: nothing to report"
        model = [self.model.as_text()] if self.model else []
        return "\n".join([f"report: {self.report}", *self.lines, *model])


def describe(walk: Walk, report: ArtifactRef) -> Outcome:
    """The outcome of a run whose results are complete."""
    shown = walk.shown()
    unassigned = read_frame(walk.session.listing.inventory, UNASSIGNED, "unassigned")
    lost = {next(iter(shown)): unassigned.height}
    stages = {name: _stage(refs, lost.get(name, 0)) for name, refs in shown.items()}
    own = {stage.name: shown[stage.name][0] for stage in GRAPH.of(Scope.WINDOW)}
    found = {name: read_json(ref) for name, ref in own.items() if has_file(ref, SUMMARY)}
    shown = read_json(report, LINES)
    return Outcome(
        pipeline=walk.plan.settings.name,
        partition=walk.plan.target,
        report=Path(html_of(report)),
        stages=stages,
        metrics={name: v["metrics"] for name, v in found.items() if v.get("metrics") is not None},
        rows=shown["rows"],
        lines=shown["lines"],
    )


def _stage(refs: Refs, unassigned: int) -> StageOutcome:
    """What a stage did; records without a partition count as rejected by the first one."""
    manifests = [read_manifest(ref) for ref in refs]
    run = str(runtime.flow_run.id)
    new = [made for made in manifests if made.runs.get("flow_run_id") == run]
    rows_in = sum(made.rows.rows_in for made in manifests) + unassigned
    kept = sum(made.rows.rows_kept for made in manifests)
    return StageOutcome(
        key=stage_key(refs),
        reused=not new,
        rows_in=rows_in,
        rows_kept=kept,
        rows_rejected=rows_in - kept,
        seconds=round(sum(made.seconds for made in new), 3),
    )
