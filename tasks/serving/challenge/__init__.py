"""A new model against the one in use, on rows that neither has learnt from."""

from __future__ import annotations

from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.stage import Scope, Stage
from fusemine.tasks.serving.challenge.contracts import CHALLENGE

STAGE = Stage(
    name="challenge",
    scope=Scope.SERVING,
    compute="fusemine.tasks.serving.challenge.compute:run",
    tables={MAIN: CHALLENGE},
    reads=("clean", "embed", "classify", "train"),
    uses=("models.margin",),
    resources={"corrections": "fusemine.tasks.mine.classify.corrections.resource:provide"},
    libraries=("numpy", "polars", "scikit-learn", "scipy", "skops", "torch"),
)
