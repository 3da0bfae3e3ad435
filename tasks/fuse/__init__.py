"""Features: text vectors, numbers and categories as dense blocks of equal weight."""

from __future__ import annotations

from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.stage import Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.fuse.contracts import FEATURES
from fusemine.tasks.fuse.settings import FuseSettings

STAGE = Stage(
    name="fuse",
    scope=Scope.WINDOW,
    compute="fusemine.tasks.fuse.compute:run",
    tables={MAIN: FEATURES, "rejected": REJECTED},
    reads=("clean", "embed"),
    settings=FuseSettings,
    libraries=("numpy", "polars", "pyarrow", "scikit-learn", "scipy"),
)
