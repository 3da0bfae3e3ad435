"""The raw rows of a partition, as the scan of the source lands them."""

from __future__ import annotations

from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.stage import Forget, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN

STAGE = Stage(
    name="collect",
    scope=Scope.PARTITION,
    compute="fusemine.tasks.inventory.compute:run",
    tables={MAIN: RAW, "rejected": REJECTED},
    reads=("inventory",),
    libraries=("polars", "pyarrow"),
    unit="partitions",
    forget=Forget(rewrite="fusemine.tasks.inventory.forget:rewrite_raw"),
    section="fusemine.tasks.report.rows.section:section",
)
