"""The longest texts in the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusemine.tasks.report.model import Part, ReportInputs, Section, View

if TYPE_CHECKING:
    import polars as pl

    from fusemine.tasks.report.settings import ReportSettings


@dataclass(frozen=True)
class Longest(Section):
    """The longest texts, in order."""

    texts: list[str]


def section(inputs: ReportInputs, _: pl.DataFrame, __: ReportSettings) -> Part:
    """A view with the longest texts."""
    table, summary = inputs.table("lengths", "longest"), inputs.summary("lengths")
    texts = [] if table is None else table["text"].to_list()
    lead = f"The longest text has {summary['longest'] if summary else 0} characters."
    return Part([View("lengths", "Lengths", "lengths.html.j2", Longest(lead, texts))])
