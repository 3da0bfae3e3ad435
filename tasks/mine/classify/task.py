"""Learning the label as a Prefect task."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from prefect import get_run_logger

from fusemine.tasks.core.artifact import MAIN, ArtifactRef, Draft, Job
from fusemine.tasks.core.contract import DOUBTS, PREDICTIONS
from fusemine.tasks.core.key import Stage, recipe
from fusemine.tasks.core.task import execute, stage_task
from fusemine.tasks.core.window import read_window, window_inputs
from fusemine.tasks.core.windowed import WindowRefs, finish, teller
from fusemine.tasks.mine.classify.classify import classify
from fusemine.tasks.mine.classify.corrections.apply import correct_labels
from fusemine.tasks.serving.pack import pack

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.mine.classify.settings import ClassifySettings
    from fusemine.tasks.table.roles import LabelKind

CLASSIFY = Stage(
    "classify",
    (
        "fusemine.tasks.mine.classify.classify",
        "fusemine.tasks.mine.classify.corrections.apply",
        "fusemine.tasks.embed.ad_hoc",
        "fusemine.tasks.serving.pack",
        "fusemine.tasks.core.window",
        "fusemine.tasks.core.windowed",
    ),
    ("numpy", "polars", "safetensors", "scikit-learn", "scipy", "shap", "skops", "torch"),
)


def classify_job(
    root: Path,
    partition: str,
    window: WindowRefs,
    settings: ClassifySettings,
    fusing: FuseSettings,
    kind: LabelKind,
) -> Job:
    """The job of learning the label over the window of one partition."""
    values = {
        "classify": settings.key_values(),
        "fuse": fusing.model_dump(mode="json", exclude={"weights"}),
        "kind": kind,
        "corrections": window.corrections_hash,
        "libraries": _extras(settings),
    }
    model = None if window.embedder is None else window.embedder.model.fingerprint
    inputs = window_inputs(window.cleaned, window.embedded, window.rules)
    names = tuple(ref.name for ref in [*window.cleaned, *window.embedded])
    made_of = recipe(CLASSIFY, inputs, values, model)
    return Job(root, CLASSIFY.name, partition, made_of, names)


@stage_task("classify", "classify-{job.partition}")
def classify_window(
    job: Job,
    window: WindowRefs,
    settings: ClassifySettings,
    fusing: FuseSettings,
    kind: LabelKind,
) -> ArtifactRef:
    """Learn the label, judge it on held-back rows, and predict every row."""

    def work(draft: Draft) -> None:
        rows = read_window(window.cleaned, window.embedded, window.rules)
        corrected = correct_labels(rows.clean, window.corrections)
        _warn(corrected.counts["unknown"] + window.corrections.unknown)
        result = classify(
            corrected.rows,
            rows.matrix,
            settings,
            fusing,
            progress=teller("classify"),
            timezone=window.rules.timezone,
            number=kind == "number",
            encode=window.embedder,
        )
        draft.table(MAIN, result.predictions, PREDICTIONS)
        draft.table("doubts", result.doubts, DOUBTS)
        for suffix, content in pack(result.choice).items():
            draft.bytes(f"choice.{suffix}", content)
        summary = {**result.summary, "corrections": corrected.counts}
        finish(draft, rows.clean.height, result.predictions.height, summary)

    return execute(job, work)


def _extras(settings: ClassifySettings) -> dict[str, str]:
    """The version of a library that only this learner needs, where it is there."""
    if settings.learner != "lightgbm" or find_spec("lightgbm") is None:
        return {}
    return {"lightgbm": version("lightgbm")}


def _warn(unknown: int) -> None:
    """Say that corrected labels name rows that are not there; which, stays out of the log."""
    if unknown:
        get_run_logger().warning(
            "%d corrected label(s) in columns.label.corrections name no usable row", unknown
        )
