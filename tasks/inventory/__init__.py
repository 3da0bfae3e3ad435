"""What the source holds: one scan of it lands every partition as an artifact of `collect`."""

from __future__ import annotations

from fusemine.tasks.core.stage import Forget, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.inventory.contracts import INVENTORY, UNASSIGNED

STAGE = Stage(
    name="inventory",
    scope=Scope.SOURCE,
    compute="fusemine.tasks.inventory.compute:run",
    tables={MAIN: INVENTORY, "unassigned": UNASSIGNED},
    uses=("source", "columns.id", "columns.time", "partition"),
    resources={"source": "fusemine.tasks.inventory.source:provide"},
    libraries=("polars", "pyarrow"),
    unit="files read",
    forget=Forget(
        rewrite="fusemine.tasks.inventory.forget:rewrite",
        names="fusemine.tasks.inventory.forget:names",
    ),
)
