"""Compute everything that the report shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.collect.report import intake
from fusemine.tasks.mine.anomalies.report.section import anomalies
from fusemine.tasks.mine.classify.report.section import label
from fusemine.tasks.mine.topics.report.section import topics
from fusemine.tasks.mine.topics.report.text_map import text_map
from fusemine.tasks.report.facts import facts, present
from fusemine.tasks.report.findings import figures, findings
from fusemine.tasks.report.model import Appendix, ReportInputs, ReportModel
from fusemine.tasks.report.trends import trends
from fusemine.tasks.report.words import cut, flat
from fusemine.tasks.serving.monitor.report.section import in_use

if TYPE_CHECKING:
    from fusemine.tasks.report.settings import ReportSettings

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
