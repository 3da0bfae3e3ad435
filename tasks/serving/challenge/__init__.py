"""A new model compared with the one in use, on rows that neither was trained on."""

from __future__ import annotations

from fusemine.tasks.core.stage import Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine import classify
from fusemine.tasks.serving.challenge.contracts import CHALLENGE

STAGE = Stage(
    name="challenge",
    scope=Scope.SERVING,
    compute="fusemine.tasks.serving.challenge.compute:run",
    tables={MAIN: CHALLENGE},
    reads=("clean", "embed", "classify", "train"),
    uses=("models.margin",),
    resources={"corrections": "fusemine.tasks.corrections.read:provide"},
    code=("fusemine.tasks.mine.classify.classify",),  # that of the stored models
    libraries=classify.STAGE.libraries,
)
