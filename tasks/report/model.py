"""What goes into a report, and everything that it shows.

Strings here are plain text, never markup: the writers escape them for HTML and Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
    """Tables as in `fusemine.tasks.core.contract` and JSON-ready summaries of one run over its window.

    A miner that did not run is None; one that could not says why in its summary's `skipped`.
    """

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
    embeddings: Summary | None = None
    predictions: pl.DataFrame | None = None
    classification: Summary | None = None
    doubts: pl.DataFrame | None = None
    clusters: pl.DataFrame | None = None
    topics: pl.DataFrame | None = None
    themes: pl.DataFrame | None = None
    shares: pl.DataFrame | None = None
    crossed: pl.DataFrame | None = None
    events: pl.DataFrame | None = None
    clustering: Summary | None = None
    anomalies: pl.DataFrame | None = None
    repeats: pl.DataFrame | None = None
    bursts: pl.DataFrame | None = None
    anomaly: Summary | None = None
    watch: pl.DataFrame | None = None
    watching: Summary | None = None
    """What `watch` is of, and whether a new model is due."""
    challenge: Summary | None = None
    """A new model against the one in use."""
    settings: Summary = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)


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
