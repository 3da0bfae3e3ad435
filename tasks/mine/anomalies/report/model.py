"""What the report shows of unusual rows: cards, repeated texts and bursts."""

from __future__ import annotations

from dataclasses import dataclass, field

from fusemine.tasks.report.model import Quote, Section


@dataclass(frozen=True)
class View:
    """One way to look at a row.

    `score` is the share of the rows that are less unusual, None where the view cannot judge the
    row; `evidence` is the view's share of all evidence that the row is unusual.
    """

    name: str
    score: float | None
    evidence: float
    colour: int


@dataclass(frozen=True)
class Anomaly:
    """An unusual row; `near` are the texts of the nearest rows that are not unusual."""

    rank: int
    rarity: str
    """How rare such a row is, in words, such as 1 in 12,000; empty if unknown."""
    quote: Quote
    reason: str
    new: bool
    flagged: bool
    views: list[View]
    near: list[str]
    repeated: str
    """Which repeated text it has, in words, or nothing."""


@dataclass(frozen=True)
class Repeat:
    """A text that comes again and again, with small changes or none."""

    group: int
    rows: int
    texts: int
    share: float
    span: str
    peak: str
    text: str
    burst: bool


@dataclass(frozen=True)
class GroupBurst:
    """A group of rows whose counts left their usual range: the surest partition, and its counts.

    `counts` are per stretch of time, empty where they are not known; `marked` are the stretches
    in which the group left its range.
    """

    column: str
    level: str
    kind: str
    said: str
    more: str
    counts: list[float]
    marked: list[int]


@dataclass(frozen=True)
class Anomalies(Section):
    """The most unusual rows, in order; `newest` are the first new ones, which come nowhere else."""

    newest: list[Anomaly]
    shown: list[Anomaly]
    folded: list[Anomaly]
    flagged: int
    new_flagged: int
    threshold: str
    absent: str
    """The views that could judge no row, and why."""
    method: str
    repeats: list[Repeat] = field(default_factory=list)
    more_repeats: int = 0
    bursts: list[GroupBurst] = field(default_factory=list)
    more_bursts: int = 0
