"""The report on a run, and the results: the source's columns beside what was mined of each row."""

from __future__ import annotations

from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.stage import Scope, Stage
from fusemine.tasks.report.contracts import RESULTS
from fusemine.tasks.report.settings import ReportSettings

STAGE = Stage(
    name="report",
    scope=Scope.WINDOW,
    compute="fusemine.tasks.report.compute:run",
    tables={MAIN: RESULTS},
    # Of the inventory only the records without a partition are shown: a partition that came later
    # must not make an older report stale.
    reads=("inventory:unassigned",),
    gathers=True,
    settings=ReportSettings,
    resources={
        "corrections": "fusemine.tasks.mine.classify.corrections.resource:provide",
        "sections": "fusemine.tasks.report.compute:provide_sections",
    },
    libraries=("jinja2", "numpy", "polars", "pyarrow"),
)
