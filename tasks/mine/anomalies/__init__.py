"""Rows that are unlike the others: by text, by table, where the two contradict, and in time."""

from __future__ import annotations

from fusemine.tasks.core.contract import boolean, number, text
from fusemine.tasks.core.stage import RowColumns, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine.anomalies.contracts import ANOMALIES, BURSTS, REPEATS
from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings

STAGE = Stage(
    name="anomalies",
    scope=Scope.WINDOW,
    compute="fusemine.tasks.mine.anomalies.compute:run",
    tables={MAIN: ANOMALIES, "repeats": REPEATS, "bursts": BURSTS},
    reads=("clean", "embed", "fuse"),
    settings=AnomaliesSettings,
    libraries=("numpy", "polars", "scikit-learn", "scipy", "torch"),
    row_columns=RowColumns(
        {
            "anomaly_score": number(nullable=True),
            "anomaly_flagged": boolean(nullable=True),
            "anomaly_reason": text(nullable=True),
        },
        "fusemine.tasks.mine.anomalies.contracts:row_columns",
    ),
    section="fusemine.tasks.mine.anomalies.report.section:section",
    facts="fusemine.tasks.mine.anomalies.report.section:facts",
)
