"""Compute everything that the report shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.report.facts import facts, present
from tasks.report.findings import figures, findings
from tasks.report.in_use import in_use
from tasks.report.intake import intake
from tasks.report.label import label
from tasks.report.model import Appendix, ReportInputs, ReportModel
from tasks.report.textmap import text_map
from tasks.report.topics import topics
from tasks.report.trends import trends
from tasks.report.unusual import anomalies
from tasks.report.words import cut, flat

if TYPE_CHECKING:
    from tasks.report.settings import ReportSettings

SETTINGS = 400


def assemble(inputs: ReportInputs, settings: ReportSettings) -> ReportModel:
    """Turn a run's tables and summaries into the model that the writers print.

    The same inputs give the same model: no clock is read and nothing is drawn at random.
    """
    inputs = present(inputs)
    rows = facts(inputs)
    return ReportModel(
        name=cut(inputs.name, 120),
        title=cut(inputs.title or inputs.name, 200),
        partition=cut(inputs.partition, 40),
        window=cut(inputs.window_label, 200),
        notes=cut(inputs.notes or "", 1200),
        figures=figures(inputs, rows),
        findings=findings(inputs, rows),
        intake=intake(inputs, settings),
        label=label(inputs, rows),
        in_use=in_use(inputs),
        map=text_map(inputs, rows, settings),
        topics=topics(inputs, rows, settings),
        anomalies=anomalies(inputs, rows, settings),
        trends=trends(inputs, rows),
        appendix=_appendix(inputs),
    )


def _appendix(inputs: ReportInputs) -> Appendix:
    return Appendix(
        settings=list(flat(inputs.settings))[:SETTINGS],
        versions=list(flat(dict(sorted(inputs.versions.items()))))[:SETTINGS],
        keys=list(flat(inputs.keys))[:SETTINGS],
        embeddings=list(flat(inputs.embeddings or {}))[:SETTINGS],
    )
