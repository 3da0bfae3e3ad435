"""The predictions for a partition by a model that was trained before it."""

from __future__ import annotations

from fusemine.tasks.core.stage import Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine import classify
from fusemine.tasks.mine.classify.contracts import PREDICTIONS

STAGE = Stage(
    name="score",
    scope=Scope.SERVING,
    compute="fusemine.tasks.serving.score.compute:run",
    tables={MAIN: PREDICTIONS},
    reads=("clean", "embed", "train"),
    code=("fusemine.tasks.mine.classify.classify",),  # that of the stored models
    libraries=classify.STAGE.libraries,
)
