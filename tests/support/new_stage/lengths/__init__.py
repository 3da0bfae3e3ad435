"""How long the texts of the window are: a stage that exists for the tests alone."""

from __future__ import annotations

from fusemine.tasks.core.contract import integer
from fusemine.tasks.core.stage import RowColumns, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine.lengths.contracts import LENGTHS, LONGEST
from fusemine.tasks.mine.lengths.settings import LengthsSettings

STAGE = Stage(
    name="lengths",
    scope=Scope.WINDOW,
    compute="fusemine.tasks.mine.lengths.compute:run",
    tables={MAIN: LENGTHS, "longest": LONGEST},
    reads=("clean",),
    settings=LengthsSettings,
    libraries=("polars",),
    row_columns=RowColumns({"characters": integer()}),
    section="fusemine.tasks.mine.lengths.report.section:section",
)
