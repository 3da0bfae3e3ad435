"""The miners as Prefect tasks, one key each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.artifacts import MAIN, ArtifactRef, Draft, Job, read_table
from tasks.contracts import ANOMALIES, CLUSTERS, FEATURES, TOPICS
from tasks.fuse.stored import table_block
from tasks.fuse.task import window_inputs
from tasks.keys import Stage, recipe
from tasks.mine.anomaly import anomaly
from tasks.mine.cluster import cluster
from tasks.task import execute, stage_task
from tasks.window import read_window
from tasks.windowed import WindowRefs, finish, teller

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tasks.mine.settings import AnomalySettings, ClusterSettings
    from tasks.settings import Settings

_LEARNING = ("numpy", "polars", "scikit-learn", "scipy")
_WINDOW = ("tasks.window", "tasks.windowed")
CLUSTER = Stage("cluster", ("tasks.mine.cluster", *_WINDOW), (*_LEARNING, "umap-learn"))
ANOMALY = Stage("anomaly", ("tasks.mine.anomaly", "tasks.fuse.stored", *_WINDOW), _LEARNING)


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


@stage_task("cluster", "cluster-{job.partition}")
def cluster_window(job: Job, window: WindowRefs, settings: ClusterSettings) -> ArtifactRef:
    """Group the texts into named topics and lay them out on a map."""

    def work(draft: Draft) -> None:
        rows = read_window(window.cleaned, window.embedded, window.rules)
        result = cluster(rows.clean, rows.matrix, settings, teller("cluster"))
        draft.table(MAIN, result.rows, CLUSTERS)
        draft.table("topics", result.topics, TOPICS)
        finish(draft, rows.clean.height, result.rows.height, result.summary)

    return execute(job, work)


@stage_task("anomaly", "anomaly-{job.partition}")
def anomaly_window(
    job: Job, window: WindowRefs, features: ArtifactRef, settings: AnomalySettings
) -> ArtifactRef:
    """Rank the rows by how unusual they are, and say why."""

    def work(draft: Draft) -> None:
        rows = read_window(window.cleaned, window.embedded, window.rules)
        table, names = table_block(read_table(features, FEATURES))
        told = teller("anomaly")
        result = anomaly(rows.clean, rows.matrix, table, names, settings, told)
        draft.table(MAIN, result.rows, ANOMALIES)
        finish(draft, rows.clean.height, result.rows.height, result.summary)

    return execute(job, work)
