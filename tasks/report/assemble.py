"""Everything that the report shows, from what the stages contribute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.stage import load
from fusemine.tasks.report.facts import facts
from fusemine.tasks.report.findings import findings
from fusemine.tasks.report.model import Part, ReportInputs, ReportModel, View
from fusemine.tasks.report.trends import trends
from fusemine.tasks.report.words import cut, flat

if TYPE_CHECKING:
    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.report.settings import ReportSettings

SETTINGS = 400


def assemble(inputs: ReportInputs, settings: ReportSettings, graph: Graph) -> ReportModel:
    """Turn a run's tables and summaries into the model that the writers print.

    The same inputs give the same model: no clock is read and nothing is drawn at random.

    Args:
        inputs: The run.
        settings: How much is shown.
        graph: All stages; those with a section contribute a part each, in order.
    """
    rows = facts(inputs, graph)
    parts: list[Part] = [
        load(stage.section)(inputs, rows, settings) for stage in graph if stage.section
    ]
    views = [view for part in parts for view in part.views]
    return ReportModel(
        name=cut(inputs.name, 120),
        title=cut(inputs.title or inputs.name, 200),
        partition=cut(inputs.partition, 40),
        window=cut(inputs.window_label, 200),
        notes=cut(inputs.notes or "", 1200),
        figures=[figure for part in parts for figure in part.figures],
        findings=findings(inputs, rows, parts),
        views=[*views, trends(inputs, rows, parts), _appendix(inputs)],
        summaries=[part.summary for part in parts],
    )


def _appendix(inputs: ReportInputs) -> View:
    """What made the report, as pairs of strings."""
    parts = {
        "settings": inputs.settings,
        "versions": dict(sorted(inputs.versions.items())),
        "keys": inputs.keys,
        "encoder": inputs.embeddings or {},
    }
    found = {name: list(flat(part))[:SETTINGS] for name, part in parts.items()}
    return View("appendix", "Settings and versions", "appendix.html.j2", found)
