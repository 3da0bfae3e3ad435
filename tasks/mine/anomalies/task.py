"""Anomaly detection as a Prefect task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.artifact import MAIN, ArtifactRef, Draft, Job, read_table
from fusemine.tasks.core.contract import ANOMALIES, BURSTS, FEATURES, REPEATS
from fusemine.tasks.core.key import Stage
from fusemine.tasks.core.task import execute, stage_task
from fusemine.tasks.core.window import read_window
from fusemine.tasks.core.windowed import LIBRARIES, MODULES, WindowRefs, finish, teller
from fusemine.tasks.fuse.stored import table_block
from fusemine.tasks.mine.anomalies.anomalies import anomaly

if TYPE_CHECKING:
    from fusemine.tasks.mine.anomalies.settings import AnomalySettings

ANOMALY = Stage(
    "anomaly",
    ("fusemine.tasks.mine.anomalies.anomalies", "fusemine.tasks.fuse.stored", *MODULES),
    LIBRARIES,
)


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
