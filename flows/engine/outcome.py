"""What a run found, in the words of its last lines and of its JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from fusemine.tasks.core.artifact import ArtifactRef, read_json, read_manifest
from fusemine.tasks.core.task import made_by_this_run
from fusemine.tasks.core.windowed import SUMMARY
from fusemine.tasks.report.task import HTML, LINES, Made, stage_key, stage_rows

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        told = f" ({self.why})" if self.why else ""
        return f"Model in use: {self.in_use}{told}."


class Outcome(BaseModel):
    """What one run did and found."""

    pipeline: str
    partition: str | None
    report: Path | None
    seconds: float = 0.0
    stages: dict[str, StageOutcome] = {}
    metrics: dict[str, Any] = {}
    model: ModelOutcome | None = None
    lines: list[str] = []

    def as_json(self) -> str:
        """The JSON object that `--json` prints."""
        return self.model_dump_json(indent=1, exclude={"lines"})

    def as_text(self) -> str:
        """Where the report is, and what was found in five lines."""
        if self.report is None:
            return f"no rows in partition {self.partition or 'latest'}: nothing to report"
        told = [self.model.as_text()] if self.model else []
        return "\n".join([f"report: {self.report}", *self.lines, *told])


def describe(name: str, partition: str, made: Made, report: ArtifactRef) -> Outcome:
    """The outcome of a run whose artifacts are complete."""
    rows = {row.stage: row for row in stage_rows(made)}
    stages = {
        stage: _stage(refs, rows[stage].rows_in, rows[stage].rows_kept)
        for stage, refs in made.stages().items()
    }
    counts = read_manifest(report.path).rows
    stages["report"] = _stage([report], counts.rows_in, counts.rows_kept)
    return Outcome(
        pipeline=name,
        partition=partition,
        report=Path(report.path) / HTML,
        stages=stages,
        metrics={"classify": read_json(made.classes, SUMMARY).get("metrics", {})},
        lines=read_json(report, LINES)["lines"],
    )


def _stage(refs: Sequence[ArtifactRef], rows_in: int, kept: int) -> StageOutcome:
    new = [ref for ref in refs if made_by_this_run(ref)]
    return StageOutcome(
        key=stage_key(refs),
        reused=not new,
        rows_in=rows_in,
        rows_kept=kept,
        rows_rejected=rows_in - kept,
        seconds=round(sum(read_manifest(ref.path).seconds for ref in new), 3),
    )
