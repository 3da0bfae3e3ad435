"""What the report shows of the label: how well it is learnt, by what, and its likely errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusemine.tasks.report import words
from fusemine.tasks.report.model import Quote, Section

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, where there is one, and how a person reads its numbers."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    form: Callable[[float | None], str] = words.number
    name: str = ""

    @property
    def text(self) -> str:
        """The value; a dash where there is none."""
        return self.form(self.value)

    @property
    def bounds(self) -> str:
        """Both ends of the interval, or nothing."""
        if not (words.known(self.low) and words.known(self.high)):
            return ""
        return f"{self.form(self.low)} to {self.form(self.high)}"

    @property
    def full(self) -> str:
        """The value, and its interval in brackets."""
        return f"{self.text} ({self.bounds})" if self.bounds else self.text


@dataclass(frozen=True)
class Notice:
    """Something that a reader must know, by its title."""

    title: str
    sentences: list[str]
    advice: str = ""
    folded: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class View:
    """What the label is learnt from."""

    name: str
    about: str
    main: bool
    """Whether predictions come from it."""


@dataclass(frozen=True)
class Metric:
    """One metric: an estimate per view."""

    name: str
    meaning: str
    cells: list[Estimate]


@dataclass(frozen=True)
class Forest:
    """A metric's intervals, one per view, and that of a model without any knowledge."""

    name: str
    reference: float | None
    reference_name: str
    estimates: list[Estimate]


@dataclass(frozen=True)
class Ablation:
    """How good each view is; `metrics` come before `more`, which is folded."""

    lead: str
    views: list[View]
    skipped: list[tuple[str, str]]
    forests: list[Forest]
    metrics: list[Metric]
    more: list[Metric]


@dataclass(frozen=True)
class Candidate:
    """A way to join table and text that was tried, or why it was not."""

    name: str
    loss: str
    chosen: bool
    remark: str


@dataclass(frozen=True)
class Bar:
    """A bar with its name and a remark: `share` is from 0 to 1 of the whole, or from -1 if signed.

    `text` is its value as a person reads it.
    """

    name: str
    detail: str
    share: float
    text: str = ""


@dataclass(frozen=True)
class Choice:
    """How the model was chosen and what it is made of."""

    lead: str
    loss_name: str
    tried: list[Candidate]
    parts: list[Bar]
    gates: list[Bar]
    calibration: str


@dataclass(frozen=True)
class Confusion:
    """Test rows by true class (rows) and predicted class (columns); many classes are folded."""

    labels: list[str]
    rows: list[list[int]]

    def share(self, row: int, column: int) -> float:
        """The part of a true class that was predicted as `column`, from 0 to 1."""
        return self.rows[row][column] / (sum(self.rows[row]) or 1)


@dataclass(frozen=True)
class Bin:
    """Test rows with like probabilities: their mean probability and the share that came true."""

    expected: float
    observed: float
    rows: int


@dataclass(frozen=True)
class Quality:
    """Right and wrong on the test rows."""

    lead: str
    of: str
    """The model that it is about."""
    confusion: Confusion | None
    curve: list[tuple[float, float]]
    """Recall and precision."""
    called: tuple[float, float] | None
    """Recall and precision of what is called positive."""
    base_rate: float | None
    calibration: list[Bin]
    spread: list[tuple[float, float]]
    """Predicted and true numbers."""


@dataclass(frozen=True)
class LearningCurve:
    """A metric over the number of training rows, fewest first."""

    lead: str
    metric: str
    points: list[tuple[int, Estimate]]


@dataclass(frozen=True)
class Piece:
    """A word of a text; `step` is from -4 (counts against) over 0 to 4 (counts for)."""

    text: str
    step: int


@dataclass(frozen=True)
class ExplainedRow:
    """Why the model predicts what it predicts for a row."""

    title: str
    prediction: str
    quote: Quote
    pieces: list[Piece]
    bars: list[Bar]


@dataclass(frozen=True)
class Reasons:
    """What the model rests on: columns, words, and some rows one by one."""

    lead: str
    metric: str
    bars: list[Bar]
    more: int
    terms: list[tuple[str, list[str]]]
    more_terms: list[tuple[str, list[str]]]
    explained: list[ExplainedRow]
    folded: list[ExplainedRow]
    legend: list[str]


@dataclass(frozen=True)
class Level:
    """A level of a category and how good the model is on its rows."""

    name: str
    rows: int
    flagged: bool
    cells: list[str]


@dataclass(frozen=True)
class GroupedBy:
    """The levels of one column, flagged ones first; `header` names the cells."""

    column: str
    skipped: str
    header: list[str]
    levels: list[Level]
    left_out: str


@dataclass(frozen=True)
class Groups:
    """Whether the model is worse for some levels than for others."""

    lead: str
    flags: list[str]
    columns: list[GroupedBy]


@dataclass(frozen=True)
class LabelError:
    """A row whose label may be wrong."""

    quote: Quote
    kind: str
    text: str


@dataclass(frozen=True)
class LabelErrors:
    """The rows whose label may be wrong: how many, and the first of them."""

    lead: str
    rows: list[LabelError]
    more: int


@dataclass(frozen=True)
class Label(Section):
    """How well the label can be predicted, from what, and how far to trust it."""

    alarms: list[Notice]
    """What makes the figures worthless; it comes first."""
    gain: str
    note: str
    split: str
    classes: list[tuple[str, int]]
    more_classes: int
    numbers: str
    """The range of a label that is a number."""
    remarks: list[str]
    """How rows are called, and how many labels were corrected."""
    cautions: list[Notice]
    checked: Notice | None
    ablation: Ablation | None
    choice: Choice | None
    quality: Quality | None
    learning_curve: LearningCurve | None
    reasons: Reasons | None
    groups: Groups | None
    label_errors: LabelErrors | None
