"""What the report shows of the topics: the map, themes, cards, categories, and what changed."""

from __future__ import annotations

from dataclasses import dataclass, field

from fusemine.tasks.report.model import Section


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
    """Left, top, right and bottom of the first view: all but a few far-off points."""
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
class TopicBurst:
    """A partition in which a topic has far more rows than the earlier ones suggest."""

    partition: str
    rows: int
    expected: str
    """In words, such as `about 8`."""


@dataclass(frozen=True)
class Topic:
    """A group of like texts; `trend` is its share of the rows in each period."""

    name: str
    rows: int
    share: float
    colour: int
    rate: float | None
    rate_words: str
    rate_bounds: str
    trend: list[float]
    marked: list[int]
    """The places in `trend` that hold a burst."""
    bursts: list[TopicBurst]
    """The latest ones, newest first."""
    more_bursts: int
    terms: list[str]
    typical: list[str]
    central: list[str]
    notes: list[str]
    """Further remarks on it, in short sentences."""


@dataclass(frozen=True)
class Theme:
    """Topics that belong together, largest first; its name is empty where there are no themes."""

    name: str
    rows: int
    share: float
    colour: int | None
    topics: int
    shown: list[Topic]
    folded: list[Topic]
    more: int = 0
    more_rows: int = 0

    @property
    def described(self) -> list[Topic]:
        """The topics that have a card, shown or folded."""
        return [*self.shown, *self.folded]


@dataclass(frozen=True)
class HeatCell:
    """A topic with a level: `shade` from -4 (far fewer rows than by chance) to 4 (far more)."""

    share: float
    shade: int
    notable: bool
    text: str


@dataclass(frozen=True)
class HeatRow:
    """A topic with each level of a column, in the order of the columns; None where unknown."""

    name: str
    colour: int
    cells: list[HeatCell | None]


@dataclass(frozen=True)
class HeatMap:
    """Topics against the levels of a category."""

    column: str
    levels: list[str]
    rows: list[HeatRow]


@dataclass(frozen=True)
class Change:
    """An event of the topic registry: what happened, and the evidence."""

    kind: str
    text: str
    evidence: str


@dataclass(frozen=True)
class Changes:
    """What changed at a partition: a sentence for all, and each one."""

    partition: str
    text: str
    """Empty where the events are few enough to be listed one by one."""
    events: list[Change]
    more: int = 0


@dataclass(frozen=True)
class Topics(Section):
    """The topics by theme, the largest theme first; rows without a topic come last."""

    themes: list[Theme]
    no_text: list[Topic]
    """The rows without text, as if they were a topic; empty where all have one."""
    quality: str
    naming: str
    method: str
    base_rate: float | None
    rate_name: str
    rate_scale: float
    """The rate that fills a topic's bar."""
    trend_labels: tuple[str, str]
    heat: list[HeatMap] = field(default_factory=list)
    changes: list[Changes] = field(default_factory=list)
    older: list[Changes] = field(default_factory=list)
    more_changes: int = 0

    @property
    def described(self) -> list[Topic]:
        """All topics that have a card, largest first."""
        return sorted((t for theme in self.themes for t in theme.described), key=lambda t: -t.rows)
