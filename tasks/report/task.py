"""Reporting as a Prefect task: results, report and the summary for the UI."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from fusemine.tasks.collect.assign import removed_rows
from fusemine.tasks.core.artifact import MAIN, Draft, Job, read_frame, read_json, read_manifest
from fusemine.tasks.core.contract import (
    ANOMALIES,
    BURSTS,
    CLUSTERS,
    CROSSED,
    DOUBTS,
    EVENTS,
    PREDICTIONS,
    RAW,
    REJECTED,
    REPEATS,
    RESULTS,
    SHARES,
    THEMES,
    TOPICS,
    UNASSIGNED,
)
from fusemine.tasks.core.key import KEY_LENGTH, Stage, digest, recipe
from fusemine.tasks.core.task import execute, stage_task
from fusemine.tasks.core.window import read_window
from fusemine.tasks.core.windowed import SUMMARY
from fusemine.tasks.mine.classify.corrections.apply import correct_labels
from fusemine.tasks.report.assemble import assemble
from fusemine.tasks.report.gather import embeddings, models
from fusemine.tasks.report.markdown import five_lines, render_markdown
from fusemine.tasks.report.model import ReportInputs, StageRow
from fusemine.tasks.report.render import render_html, templates_digest
from fusemine.tasks.report.results import results, topics_of_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fusemine.tasks.core.artifact import ArtifactRef
    from fusemine.tasks.core.windowed import WindowRefs
    from fusemine.tasks.inventory.source import Listing
    from fusemine.tasks.report.settings import ReportSettings

STAGE = Stage(
    "report",
    (
        "fusemine.tasks.mine.classify.corrections.apply",
        "fusemine.tasks.report.assemble",
        "fusemine.tasks.report.gather",
        "fusemine.tasks.table.escaping",
        "fusemine.tasks.report.markdown",
        "fusemine.tasks.report.render",
        "fusemine.tasks.report.results",
        "fusemine.tasks.core.window",
        "fusemine.tasks.core.windowed",
    ),
    ("jinja2", "numpy", "polars", "pyarrow"),
)
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
HTML, MARKDOWN, LINES = "report.html", "report.md", "lines.json"


@dataclass(frozen=True)
class About:
    """What a report says of its pipeline; all of it is part of the key."""

    name: str
    title: str
    notes: str | None
    label_name: str | None
    label_note: str | None
    partition: str
    window_label: str
    partitions: tuple[str, ...]
    gaps: tuple[str, ...]
    left_out: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class InUse:
    """What a report shows of models: how the ones in use did, and a comparison with a new one."""

    watch: ArtifactRef | None = None
    challenge: ArtifactRef | None = None

    @property
    def refs(self) -> list[ArtifactRef]:
        """Those that there are."""
        return [ref for ref in (self.watch, self.challenge) if ref is not None]


@dataclass(frozen=True)
class Made:
    """All artifacts that one run reports on; `topics` is the registry after its window."""

    listing: Listing
    raw: tuple[ArtifactRef, ...]
    window: WindowRefs
    features: ArtifactRef
    classes: ArtifactRef
    clusters: ArtifactRef
    anomalies: ArtifactRef
    topics: ArtifactRef
    models: InUse = InUse()

    def stages(self) -> dict[str, tuple[ArtifactRef, ...]]:
        """The artifacts of each stage, in the order of the stages."""
        return {
            "collect": self.raw,
            "clean": self.window.cleaned,
            "embed": self.window.embedded,
            "fuse": (self.features,),
            "classify": (self.classes,),
            "cluster": (self.clusters,),
            "anomaly": (self.anomalies,),
        }

    def refs(self) -> list[ArtifactRef]:
        """All of them, the inventory first where it is stored."""
        listed = [self.listing.inventory] if self.listing.inventory else []
        mined = [ref for refs in self.stages().values() for ref in refs]
        return [*listed, *mined, *self.models.refs]

    @property
    def unassigned(self) -> pl.DataFrame:
        """The records that belong to no partition; empty while no inventory is stored."""
        if self.listing.inventory is None:
            return removed_rows([])
        return read_frame(self.listing.inventory, UNASSIGNED, "unassigned")


def report_job(root: Path, made: Made, about: About, settings: ReportSettings) -> Job:
    """The job of reporting on one run."""
    refs = [ref for refs in made.stages().values() for ref in refs]
    # Of the inventory only the records without a partition are shown: a partition that came
    # later must not make an older report stale.
    inputs = (made.listing.unassigned, *(ref.sha256 for ref in [*refs, *made.models.refs]))
    values = {
        "about": vars(about),
        "report": settings.model_dump(mode="json"),
        "corrections": made.window.corrections_hash,
        "templates": templates_digest(),
    }
    made_of = recipe(STAGE, inputs, values)
    names = tuple(ref.name for ref in made.refs())
    return Job(root, STAGE.name, about.partition, made_of, names)


@stage_task("report", "report-{job.partition}")
def report_window(job: Job, made: Made, about: About, settings: ReportSettings) -> ArtifactRef:
    """Join the results with the source's columns and write the report."""

    def work(draft: Draft) -> None:
        inputs = _inputs(made, about)
        table = _results(made, inputs)
        model = assemble(inputs, settings)
        draft.table(MAIN, table, RESULTS)
        draft.text(HTML, render_html(model))
        draft.text(MARKDOWN, render_markdown(model))
        draft.json(LINES, {"lines": five_lines(model)})
        draft.count(inputs.clean.height, table.height, inputs.clean.height - table.height)

    return execute(job, work)


def show_in_ui(report: ArtifactRef, classes: ArtifactRef, about: About) -> None:
    """Put the report's summary and the metrics on the flow run's page."""
    key = re.sub(r"[^a-z0-9]+", "-", f"{about.name}-{about.partition}".lower())
    text = (Path(report.path) / MARKDOWN).read_text(encoding="utf-8")
    create_markdown_artifact(text, key=f"{key}-report", description=about.title)
    views = read_json(classes, SUMMARY).get("metrics", {}).items()
    rows = [{"view": view, **_shown(metrics)} for view, metrics in views if len(metrics) > 1]
    if rows:
        create_table_artifact(rows, key=f"{key}-metrics", description="Metrics on the test rows")


def _shown(metrics: Mapping[str, Any]) -> dict[str, object]:
    """The metrics that fit beside each other on a screen; all of them are in the report."""
    names = [name for name in SHOWN if name in metrics]
    return {name.replace("_", " "): _rounded(metrics[name]) for name in names}


def stage_key(refs: Sequence[ArtifactRef]) -> str:
    """The key of a stage's result, or one for all of its partitions."""
    keys = [read_manifest(ref.path).key for ref in refs]
    return keys[0] if len(keys) == 1 else digest(keys)[:KEY_LENGTH]


def _inputs(made: Made, about: About) -> ReportInputs:
    window = read_window(made.window.cleaned, made.window.embedded, made.window.rules)
    removed = [*made.raw, *made.window.cleaned, made.features]
    return ReportInputs(
        name=about.name,
        title=about.title,
        notes=about.notes,
        label_name=about.label_name,
        label_note=about.label_note,
        partition=about.partition,
        window_label=about.window_label,
        partitions=about.partitions,
        gaps=about.gaps,
        left_out=about.left_out,
        stages=stage_rows(made),
        rejected=pl.concat([read_frame(ref, REJECTED, "rejected") for ref in removed]),
        unassigned=made.unassigned,
        clean=correct_labels(window.clean, made.window.corrections).rows,
        embeddings=embeddings(made.window.embedded),
        predictions=read_frame(made.classes, PREDICTIONS),
        classification=read_json(made.classes, SUMMARY),
        doubts=read_frame(made.classes, DOUBTS, "doubts"),
        clusters=read_frame(made.clusters, CLUSTERS),
        topics=read_frame(made.clusters, TOPICS, "topics"),
        themes=read_frame(made.clusters, THEMES, "themes"),
        shares=read_frame(made.clusters, SHARES, "shares"),
        crossed=read_frame(made.clusters, CROSSED, "crossed"),
        events=read_frame(made.clusters, EVENTS, "events"),
        clustering=read_json(made.clusters, SUMMARY),
        anomalies=read_frame(made.anomalies, ANOMALIES),
        repeats=read_frame(made.anomalies, REPEATS, "repeats"),
        bursts=read_frame(made.anomalies, BURSTS, "bursts"),
        anomaly=read_json(made.anomalies, SUMMARY),
        **models(made.models.watch, made.models.challenge),
        settings=about.settings,
        versions=_versions(made.refs()),
        keys=_keys(made),
    )


def stage_rows(made: Made) -> list[StageRow]:
    """The row equation of each stage over the window; unassigned rows belong to collecting."""
    unassigned = made.unassigned.height
    rows = []
    for stage, refs in made.stages().items():
        counts = [read_manifest(ref.path).rows for ref in refs]
        lost = unassigned if stage == "collect" else 0
        rows_in = sum(count.rows_in for count in counts) + lost
        kept = sum(count.rows_kept for count in counts)
        rows.append(StageRow(stage, rows_in, kept, rows_in - kept - lost, lost, _why(stage, refs)))
    return rows


def _why(stage: str, refs: Sequence[ArtifactRef]) -> str:
    if stage not in {"classify", "cluster", "anomaly"}:
        return ""
    return str(read_json(refs[0], SUMMARY).get("skipped") or "")


def _results(made: Made, inputs: ReportInputs) -> pl.DataFrame:
    raw = pl.concat([read_frame(ref, RAW) for ref in made.raw], how="diagonal_relaxed")
    return results(
        raw,
        inputs.clean,
        read_frame(made.classes, PREDICTIONS),
        topics_of_rows(
            read_frame(made.clusters, CLUSTERS), read_frame(made.clusters, TOPICS, "topics")
        ),
        read_frame(made.anomalies, ANOMALIES),
    )


def _versions(refs: Iterable[ArtifactRef]) -> Mapping[str, str]:
    versions: dict[str, str] = {}
    for ref in refs:
        versions |= read_manifest(ref.path).recipe["versions"]
    return versions


def _keys(made: Made) -> dict[str, str]:
    return {stage: stage_key(refs) for stage, refs in made.stages().items()}


def _rounded(value: object) -> object:
    if isinstance(value, list):
        return " to ".join(str(_rounded(v)) for v in value)
    return round(value, 4) if isinstance(value, float) else value
