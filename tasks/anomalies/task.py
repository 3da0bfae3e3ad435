"""Anomaly detection as a Prefect task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.anomalies.anomaly import anomaly
from tasks.artifacts import MAIN, ArtifactRef, Draft, Job, read_table
from tasks.contracts import ANOMALIES, BURSTS, FEATURES, REPEATS
from tasks.fuse.stored import table_block
from tasks.keys import Stage
from tasks.task import execute, stage_task
from tasks.window import read_window
from tasks.windowed import LIBRARIES, MODULES, WindowRefs, finish, teller

if TYPE_CHECKING:
    from tasks.anomalies.settings import AnomalySettings

ANOMALY = Stage("anomaly", ("tasks.anomalies.anomaly", "tasks.fuse.stored", *MODULES), LIBRARIES)


@stage_task("anomaly", "anomaly-{job.partition}")
def anomaly_window(
    job: Job, window: WindowRefs, features: ArtifactRef, settings: AnomalySettings
) -> ArtifactRef:
    """Rank the rows by how unusual they are, and say why.

    In a window of several partitions the rows of the last one are held against the others. The
    features of the table were fitted on the whole window, the last partition among it.
    """

    def work(draft: Draft) -> None:
        rows = read_window(window.cleaned, window.embedded, window.rules)
        table, names = table_block(read_table(features, FEATURES))
        several = len(window.cleaned) > 1
        new = (rows.clean["partition"] == job.partition).to_numpy() if several else None
        told = teller("anomaly")
        result = anomaly(rows.clean, rows.matrix, table, names, settings, new, progress=told)
        draft.table(MAIN, result.rows, ANOMALIES)
        draft.table("repeats", result.repeats, REPEATS)
        draft.table("bursts", result.bursts, BURSTS)
        finish(draft, rows.clean.height, result.rows.height, result.summary)

    return execute(job, work)
