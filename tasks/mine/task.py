"""The miners as Prefect tasks, one key each."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger

from tasks import progress
from tasks.artifacts import MAIN, ArtifactRef, Draft, Job, read_table
from tasks.contracts import ANOMALIES, CLUSTERS, DOUBTS, FEATURES, PREDICTIONS, TOPICS
from tasks.fuse.stored import table_block
from tasks.fuse.task import window_inputs
from tasks.keys import Stage, digest, recipe
from tasks.learn.classify import classify
from tasks.learn.corrections import Corrections, correct_labels
from tasks.mine.anomaly import anomaly
from tasks.mine.cluster import cluster
from tasks.task import execute, stage_task
from tasks.window import read_window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tasks.columns import LabelKind
    from tasks.embed.anew import Embedder
    from tasks.fuse.settings import FuseSettings
    from tasks.learn.settings import ClassifySettings
    from tasks.mine.settings import AnomalySettings, ClusterSettings
    from tasks.settings import Settings
    from tasks.window import WindowRules

_LEARNING = ("numpy", "polars", "scikit-learn", "scipy")
CLASSIFY = Stage(
    "classify",
    ("tasks.learn.classify", "tasks.learn.corrections", "tasks.embed.anew", "tasks.window"),
    (*_LEARNING, "shap", "torch"),
)
CLUSTER = Stage("cluster", ("tasks.mine.cluster", "tasks.window"), (*_LEARNING, "umap-learn"))
ANOMALY = Stage("anomaly", ("tasks.mine.anomaly", "tasks.fuse.stored", "tasks.window"), _LEARNING)
SUMMARY = "summary.json"


@dataclass(frozen=True)
class WindowRefs:
    """The artifacts that a window is read from, what bounds it, and what goes with it.

    Args:
        cleaned: Its cleaned partitions.
        embedded: Their vectors.
        rules: What bounds it.
        corrections: Corrected labels.
        embedder: Embeds texts with words left out, to explain rows.
    """

    cleaned: tuple[ArtifactRef, ...]
    embedded: tuple[ArtifactRef, ...]
    rules: WindowRules
    corrections: Corrections = field(default_factory=Corrections)
    embedder: Embedder | None = None

    @property
    def corrections_hash(self) -> str:
        """What the key of a stage that reads labels takes; manifests hold no row id or label."""
        return digest(self.corrections.content())


def mine_job(
    root: Path,
    stage: Stage,
    partition: str,
    window: WindowRefs,
    settings: Sequence[Settings],
    features: ArtifactRef | None = None,
) -> Job:
    """The job of one miner over the window of one partition.

    Args:
        root: Folder of the pipeline's artifacts.
        stage: The miner.
        partition: Last partition of the window.
        window: What the window is read from.
        settings: All settings that change the miner's result.
        features: The fused features, for a miner that reads them.
    """
    inputs = window_inputs(window.cleaned, window.embedded, window.rules)
    refs = [*window.cleaned, *window.embedded]
    if features is not None:
        inputs, refs = (*inputs, features.sha256), [*refs, features]
    values = {str(i): part.model_dump(mode="json") for i, part in enumerate(settings)}
    made_of = recipe(stage, inputs, values)
    return Job(root, stage.name, partition, made_of, tuple(ref.name for ref in refs))


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
        "fuse": fusing.model_dump(mode="json"),
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
        _warn(corrected.counts["unknown"])
        result = classify(
            corrected.rows,
            rows.matrix,
            settings,
            fusing,
            progress=_teller("classify"),
            timezone=window.rules.timezone,
            number=kind == "number",
            encode=window.embedder,
        )
        draft.table(MAIN, result.predictions, PREDICTIONS)
        draft.table("doubts", result.doubts, DOUBTS)
        summary = {**result.summary, "corrections": corrected.counts}
        _finish(draft, rows.clean.height, result.predictions.height, summary)

    return execute(job, work)


@stage_task("cluster", "cluster-{job.partition}")
def cluster_window(job: Job, window: WindowRefs, settings: ClusterSettings) -> ArtifactRef:
    """Group the texts into named topics and lay them out on a map."""

    def work(draft: Draft) -> None:
        rows = read_window(window.cleaned, window.embedded, window.rules)
        result = cluster(rows.clean, rows.matrix, settings, _teller("cluster"))
        draft.table(MAIN, result.rows, CLUSTERS)
        draft.table("topics", result.topics, TOPICS)
        _finish(draft, rows.clean.height, result.rows.height, result.summary)

    return execute(job, work)


@stage_task("anomaly", "anomaly-{job.partition}")
def anomaly_window(
    job: Job, window: WindowRefs, features: ArtifactRef, settings: AnomalySettings
) -> ArtifactRef:
    """Rank the rows by how unusual they are, and say why."""

    def work(draft: Draft) -> None:
        rows = read_window(window.cleaned, window.embedded, window.rules)
        table, names = table_block(read_table(features, FEATURES))
        told = _teller("anomaly")
        result = anomaly(rows.clean, rows.matrix, table, names, settings, told)
        draft.table(MAIN, result.rows, ANOMALIES)
        _finish(draft, rows.clean.height, result.rows.height, result.summary)

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


def _teller(what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress.report(what, done, total)


def _finish(draft: Draft, rows: int, kept: int, summary: dict[str, Any]) -> None:
    draft.json(SUMMARY, summary)
    draft.count(rows, kept, rows - kept)
