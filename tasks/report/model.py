"""What goes into a report, and everything that it shows.

Strings here are plain text, never markup: the writers escape them for HTML and Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.artifact import MAIN

if TYPE_CHECKING:
    import polars as pl

    from fusemine.tasks.mine.anomalies.report.model import Anomalies
    from fusemine.tasks.mine.classify.report.model import Label
    from fusemine.tasks.mine.topics.report.model import Topics
    from fusemine.tasks.serving.monitor.report.model import InUse

Summary = Mapping[str, Any]
"""A miner's JSON-ready summary; `skipped` in it holds a reason, or null."""


@dataclass(frozen=True)
class StageRow:
    """How many rows a stage took, kept, rejected and could not assign to a partition."""

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
    """What one run over its window has made: tables by the contracts, and JSON-ready summaries."""

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
    """What the label states in the user's words, such as "effect = present"."""
    tables: Mapping[str, Mapping[str, pl.DataFrame]] = field(default_factory=dict)
    """The tables of each stage that ran, by their names; the main one is `MAIN`."""
    summaries: Mapping[str, Summary] = field(default_factory=dict)
    """What each stage that ran says of the whole."""
    embeddings: Summary | None = None
    settings: Summary = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    def summary(self, stage: str) -> Summary | None:
        """What a stage says of the whole; None if it did not run."""
        return self.summaries.get(stage)

    def table(self, stage: str, table: str = MAIN) -> pl.DataFrame | None:
        """A table of a stage; None if it did not run, or was skipped and so has nothing to say."""
        summary = self.summaries.get(stage)
        if summary is None or summary.get("skipped"):
            return None
        return self.tables.get(stage, {}).get(table)


@dataclass(frozen=True)
class Figure:
    """A headline figure: its name, its value, and a few words on it."""

    name: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the report, led by the sentence that says what it found."""

    lead: str


@dataclass(frozen=True)
class View:
    """One section of the page.

    Args:
        anchor: Its id on the page.
        title: Its name in the navigation.
        template: File of its template, in a folder `templates` beside the code of its stage.
        content: What the template is given, as `section`.
        data: What the page's scripts are given, JSON-ready, by the id of its element.
        scripts: Files beside the template that the page runs.
    """

    anchor: str
    title: str
    template: str
    content: Section
    data: Mapping[str, Any] = field(default_factory=dict)
    scripts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """What a stage contributes to the report.

    Args:
        views: Its sections of the page.
        figures: Headline figures.
        finding: Its line of the report in short; empty for none.
        continues: Whether that line goes on with the one before.
        notable: What stands out in the run's own partition, to follow a sentence; or nothing.
        summary: Its title in the Markdown summary and the blocks below, escaped; None for none.
        trends: Its series over time, by name, for the section on trends.
    """

    views: tuple[View, ...] = ()
    figures: tuple[Figure, ...] = ()
    finding: str = ""
    continues: bool = False
    notable: str = ""
    summary: tuple[str, tuple[str, ...]] | None = None
    trends: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped(Section):
    """A section that could not be made; its lead says why."""


@dataclass(frozen=True)
class Rule:
    """Rows that one rule rejected (or could not assign), with the first reasons and rows."""

    stage: str
    rule: str
    rows: int
    reason: str
    examples: list[str]


@dataclass(frozen=True)
class ColumnProfile:
    """One column of the clean table; `missing` is a share from 0 to 1."""

    name: str
    role: str
    missing: float
    missing_rows: int
    distinct: int
    values: str


@dataclass(frozen=True)
class Intake(Section):
    """What came in and what was rejected."""

    stages: list[StageRow]
    facts: list[Figure]
    rules: list[Rule]
    more_rules: int
    columns: list[ColumnProfile]
    more_columns: int
    gaps: str
    left_out: str


@dataclass(frozen=True)
class Quote:
    """One row of the data that the report shows."""

    row_id: str
    partition: str
    text: str
    label: str = ""
    topic: str = ""
    probability: float | None = None


@dataclass(frozen=True)
class LegendEntry:
    """A topic or a theme in the map's legend: `colour` 0 to 7, or 8 for grey."""

    number: int
    name: str
    rows: int
    colour: int
    x: int
    y: int


@dataclass(frozen=True)
class TextMap(Section):
    """The texts as points on a grid of 0 to 9999; equal lengths, one entry per point.

    `topic`, `partition`, `label` and `text` are positions in `topics`, `partitions`, `labels`
    and `texts`; `groups` holds for each of `topics` the number of its entry in `legend`.
    """

    remarks: list[str]
    frame: tuple[int, int, int, int]
    """Left, top, right and bottom of what is seen first: all but a few far-off points."""
    x: list[int]
    y: list[int]
    topic: list[int]
    partition: list[int]
    label: list[int]
    flagged: list[int]
    outlier: list[int]
    text: list[int]
    texts: list[str]
    topics: list[str]
    groups: list[int]
    grouping: str
    """What the legend names: topic, or theme."""
    legend: list[LegendEntry]
    partitions: list[str]
    labels: list[str]


@dataclass(frozen=True)
class Series:
    """A value per stretch of time, with bounds where it is uncertain; None where no rows are.

    `bursts` are the places of the stretches that hold a burst.
    """

    name: str
    values: list[float | None]
    low: list[float | None] = field(default_factory=list)
    high: list[float | None] = field(default_factory=list)
    colour: int = 0
    percent: bool = False
    bursts: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Trends(Section):
    """How the window went, stretch by stretch."""

    remark: str
    labels: list[str]
    coarse_labels: list[str]
    rows: Series
    anomalies: Series | None
    rates: list[Series]
    mean: Series | None
    """The mean of a label that is a number."""
    topics: list[Series]


@dataclass(frozen=True)
class Appendix:
    """What made the report: settings, versions and stage keys, as pairs of strings."""

    settings: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    keys: list[tuple[str, str]]
    embeddings: list[tuple[str, str]]


@dataclass(frozen=True)
class ReportModel:
    """Everything that the report shows."""

    name: str
    title: str
    partition: str
    window: str
    notes: str
    figures: list[Figure]
    findings: list[str]
    intake: Intake
    label: Label | Skipped
    in_use: InUse | Skipped | None
    map: TextMap | Skipped
    topics: Topics | Skipped
    anomalies: Anomalies | Skipped
    trends: Trends | Skipped
    appendix: Appendix
