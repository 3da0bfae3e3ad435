"""The models in use, evaluated on the partitions that came after them."""

from __future__ import annotations

from fusemine.tasks.core.stage import Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.serving.monitor.contracts import MONITOR

STAGE = Stage(
    name="monitor",
    scope=Scope.SERVING,
    compute="fusemine.tasks.serving.monitor.compute:run",
    tables={MAIN: MONITOR},
    reads=("score", "clean"),
    uses=("models.retrain",),
    resources={"corrections": "fusemine.tasks.corrections.read:provide"},
    libraries=("numpy", "polars", "scikit-learn", "scipy", "torch"),
    section="fusemine.tasks.serving.monitor.report.section:section",
)
