"""Ranking the rows of a window by how unusual they are, as a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.storage.artifact import MAIN, read_table
from fusemine.tasks.fuse.contracts import FEATURES
from fusemine.tasks.fuse.features import table_block
from fusemine.tasks.mine.anomalies.ranking import find_anomalies

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings


def run(inputs: Inputs, settings: AnomaliesSettings, progress: Progress) -> Output:
    """Rank the rows, and give the reasons of the first ones.

    In a window of several partitions the rows of the last one are compared with the others. The
    features of the table were fitted on the whole window, the last partition among it.
    """
    rows = inputs.window().rows()
    table, names = table_block(read_table(inputs.ref("fuse"), FEATURES))
    several = len(inputs.refs("clean")) > 1
    new = (rows.clean["partition"] == inputs.partition).to_numpy() if several else None
    found = find_anomalies(rows.clean, rows.matrix, table, names, settings, new, progress)
    return Output(
        tables={MAIN: found.rows, "repeats": found.repeats, "bursts": found.bursts},
        rows_in=rows.clean.height,
        rows_kept=found.rows.height,
        summary=found.summary,
    )
