"""Cleaned rows: typed columns, one joined text, and what cannot be used with its reason."""

from __future__ import annotations

from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.stage import Forget, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN

STAGE = Stage(
    name="clean",
    scope=Scope.PARTITION,
    compute="fusemine.tasks.clean.compute:run",
    tables={MAIN: CLEAN, "rejected": REJECTED},
    reads=("collect",),
    settings=CleanSettings,
    uses=("columns", "partition.timezone"),
    libraries=("polars", "pyarrow"),
    window="rows",
    unit="partitions",
    forget=Forget(rewrite="fusemine.tasks.clean.forget:rewrite", texts=MAIN),
)
