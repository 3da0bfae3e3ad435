"""What goes into a report, and what it shows.

Strings here are plain text, never markup: the writers escape them for HTML and Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.storage.artifact import MAIN

if TYPE_CHECKING:
    from types import ModuleType

    import polars as pl

Summary = Mapping[str, Any]
"""A stage's JSON-ready summary; `skipped` in it holds a reason, or null."""
Tables = Mapping[str, Mapping[str, Callable[[], "pl.DataFrame"]]]
"""What reads the tables of each stage, by their names."""


@dataclass(frozen=True)
class StageRow:
    """The rows that a stage read, kept, rejected and could not assign to a partition."""

    stage: str
    rows_in: int
    rows_kept: int
    rows_rejected: int
    unassigned: int = 0
    note: str = ""

    @property
    def unaccounted(self) -> int:
        """Rows that the equation in = kept + rejected + unassigned does not explain."""
        return self.rows_in - self.rows_kept - self.rows_rejected - self.unassigned


@dataclass(frozen=True)
class ReportInputs:
    """The results of one run over its window: tables by the contracts, JSON-ready summaries."""

    name: str
    title: str
    partition: str
    window_label: str
    partitions: Sequence[str]
    stages: Sequence[StageRow]
    rejected: pl.DataFrame
    unassigned: pl.DataFrame
    clean: pl.DataFrame
    gaps: Sequence[str] = ()
    left_out: Sequence[str] = ()
    """Partitions with rows that were not prepared, where the pipeline leaves those out."""
    notes: str | None = None
    label_note: str | None = None
    label_name: str | None = None
    """What the label means in the user's words, such as "effect = present"."""
    tables: Tables = field(default_factory=dict)
    """What reads the tables of each stage that ran, by their names; the main one is `MAIN`."""
    summaries: Mapping[str, Summary] = field(default_factory=dict)
    """The summary of each stage that ran."""
    embeddings: Summary | None = None
    settings: Summary = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    def summary(self, stage: str) -> Summary | None:
        """The summary of a stage; None if it did not run."""
        return self.summaries.get(stage)

    def table(self, stage: str, table: str = MAIN) -> pl.DataFrame | None:
        """A table of a stage; None if it did not run or was skipped."""
        summary = self.summaries.get(stage)
        if summary is None or summary.get("skipped"):
            return None
        read = self.tables.get(stage, {}).get(table)
        return read() if read else None


@dataclass(frozen=True)
class Figure:
    """A headline figure: its name, its value, and a short remark."""

    name: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page; its lead is a sentence with the main finding."""

    lead: str


@dataclass(frozen=True)
class Skipped(Section):
    """A section that could not be made; its lead gives the reason."""


@dataclass(frozen=True)
class Quote:
    """One row of the data that the report shows."""

    row_id: str
    partition: str
    text: str
    label: str = ""
    topic: str = ""


@dataclass(frozen=True)
class Series:
    """A value per period, with bounds where it is uncertain; None where there are no rows.

    `bursts` are the places of the periods that hold a burst.
    """

    name: str
    values: list[float | None]
    low: list[float | None] = field(default_factory=list)
    high: list[float | None] = field(default_factory=list)
    colour: int = 0
    bursts: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class View:
    """One section of the page.

    Args:
        anchor: Its id on the page.
        title: Its name in the navigation.
        template: File of its template, in a folder `templates` beside the code that makes it.
        content: What the template reads as `section`, besides the whole report as `model`.
        charts: The module whose functions the template draws with, as `charts`.
        data: What the page's scripts are given, JSON-ready, by the id of its element.
        scripts: Files beside the template that the page runs, if there are `data`.
    """

    anchor: str
    title: str
    template: str
    content: object
    charts: ModuleType | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    scripts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """What a stage contributes to the report.

    Args:
        views: Its sections of the page, in order.
        figures: Its headline figures.
        finding: Its line of the report in short; empty for none.
        continues: Whether that line is joined to the one before.
        notable: What stands out in the run's own partition, as the end of a sentence; or nothing.
        summary: Its chapter of the Markdown summary, by `markdown.chapter`; empty for none.
        counts: Rows of some kind per period of `FINE`; their names follow the word "rows".
        shares: Shares of the rows per period of `COARSE`, by the heading above them.
    """

    views: Sequence[View] = ()
    figures: Sequence[Figure] = ()
    finding: str = ""
    continues: bool = False
    notable: str = ""
    summary: str = ""
    counts: Sequence[Series] = ()
    shares: Mapping[str, Sequence[Series]] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportModel:
    """Everything that the report shows.

    Args:
        name: The pipeline's name.
        title: The report's title.
        partition: The partition that was mined for.
        window: What the window holds, in words.
        notes: The user's notes.
        figures: The headline figures.
        findings: The report in short, line by line.
        views: The sections of the page, in order.
        summaries: The chapters of the Markdown summary, in order.
    """

    name: str
    title: str
    partition: str
    window: str
    notes: str
    figures: list[Figure]
    findings: list[str]
    views: list[View]
    summaries: list[str]
