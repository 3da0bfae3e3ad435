"""Topics as a Prefect task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.artifacts import MAIN, ArtifactRef, Draft, Job
from tasks.contracts import CLUSTERS, TOPICS
from tasks.keys import Stage
from tasks.task import execute, stage_task
from tasks.topics.cluster import cluster
from tasks.window import read_window
from tasks.windowed import LIBRARIES, MODULES, WindowRefs, finish, teller

if TYPE_CHECKING:
    from tasks.topics.settings import ClusterSettings

CLUSTER = Stage("cluster", ("tasks.topics.cluster", *MODULES), (*LIBRARIES, "umap-learn"))


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
