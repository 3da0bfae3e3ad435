"""Everything that the report shows, from what the stages contribute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.stage import load
from fusemine.tasks.report.facts import facts
from fusemine.tasks.report.model import Part, ReportInputs, ReportModel, View
from fusemine.tasks.report.rates import is_number, mean, positive, rate, rate_name
from fusemine.tasks.report.trends import trends
from fusemine.tasks.report.words import amount, cut, flat, percent, plural, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.report.settings import ReportSettings

SETTINGS = 400
ENOUGH = 20
"""With fewer rows a partition is not compared with the window."""


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
        findings=[*_lines(parts), _partition_line(inputs, rows, parts)],
        views=[*views, trends(inputs, rows, parts), _appendix(inputs)],
        summaries=[part.summary for part in parts],
    )


def _appendix(inputs: ReportInputs) -> View:
    """The settings and versions behind the report, as pairs of strings."""
    parts = {
        "settings": inputs.settings,
        "versions": dict(sorted(inputs.versions.items())),
        "keys": inputs.keys,
        "encoder": inputs.embeddings or {},
    }
    found = {name: list(flat(part))[:SETTINGS] for name, part in parts.items()}
    return View("appendix", "Settings and versions", "appendix.html.j2", found)


def _lines(parts: Sequence[Part]) -> list[str]:
    """A line of each part; one that continues goes on with the line before."""
    lines: list[str] = []
    for part in parts:
        if part.finding and part.continues and lines:
            lines[-1] += f" {part.finding}"
        elif part.finding:
            lines.append(part.finding)
    return lines


def _partition_line(inputs: ReportInputs, rows: pl.DataFrame, parts: Sequence[Part]) -> str:
    """Rows and label rate of the run's partition, and what the parts find notable in it."""
    own = rows.filter(rows["partition"] == inputs.partition)
    line = f"{cut(inputs.partition, 40)}: {plural(own.height, 'row')}"
    if own.height == rows.height:
        return sentence(line)
    if own.height < ENOUGH:
        return f"{line}, too few to compare with the window."
    notable = "".join(f"; {part.notable}" for part in parts if part.notable)
    return sentence(line + _label_line(inputs, own, rows) + notable)


def _label_line(inputs: ReportInputs, own: pl.DataFrame, rows: pl.DataFrame) -> str:
    """The rate or the mean of the label in the partition and in the window."""
    followed, numbers = positive(inputs), is_number(inputs)
    found = [mean(part["label"]) if numbers else rate(part, followed) for part in (own, rows)]
    if None in found:
        return ""
    name, text = (rate_name(inputs), amount) if numbers else ("label rate", percent)
    return f", {name} {text(found[0])} against {text(found[1])} in the window"
