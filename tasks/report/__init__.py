"""The report on a run, and the results: what was found for each row, with the source's columns."""

from __future__ import annotations

from fusemine.tasks.core.stage import Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.report.contracts import RESULTS
from fusemine.tasks.report.settings import ReportSettings

STAGE = Stage(
    name="report",
    scope=Scope.WINDOW,
    compute="fusemine.tasks.report.compute:run",
    tables={MAIN: RESULTS},
    # The inventory counts only by its records without a partition: a partition that arrives later
    # must not make an older report stale.
    reads=("inventory:unassigned",),
    gathers=True,
    settings=ReportSettings,
    resources={
        "corrections": "fusemine.tasks.corrections.read:provide",
        "sections": "fusemine.tasks.report.compute:provide_sections",
    },
    libraries=("jinja2", "numpy", "polars", "pyarrow"),
)
