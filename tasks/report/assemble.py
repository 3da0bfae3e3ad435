"""Everything that the report shows, from what the stages contribute."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Appendix:
    """What made the report: settings, versions and stage keys, as pairs of strings."""

    settings: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    keys: list[tuple[str, str]]
    embeddings: list[tuple[str, str]]


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
    found = Appendix(
        settings=list(flat(inputs.settings))[:SETTINGS],
        versions=list(flat(dict(sorted(inputs.versions.items()))))[:SETTINGS],
        keys=list(flat(inputs.keys))[:SETTINGS],
        embeddings=list(flat(inputs.embeddings or {}))[:SETTINGS],
    )
    return View("appendix", "Settings and versions", "appendix.html.j2", found)
