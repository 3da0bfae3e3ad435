"""What a model that was trained before a partition predicts for it."""

from __future__ import annotations

from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.stage import Scope, Stage
from fusemine.tasks.mine.classify.contracts import PREDICTIONS

STAGE = Stage(
    name="score",
    scope=Scope.SERVING,
    compute="fusemine.tasks.serving.score.compute:run",
    tables={MAIN: PREDICTIONS},
    reads=("clean", "embed", "train"),
    libraries=("numpy", "polars", "scikit-learn", "scipy", "skops", "torch"),
)
