"""What the report shows of the models in use: how they did, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field

from fusemine.tasks.report.model import Section
from fusemine.tasks.report.words import NONE


@dataclass(frozen=True)
class Reading:
    """A value with its 95 % interval, and both as a person reads them."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    said: str = NONE
    bounds: str = ""

    @property
    def told(self) -> str:
        """The value, and its interval in brackets."""
        return f"{self.said} ({self.bounds})" if self.bounds else self.said


@dataclass(frozen=True)
class Judged:
    """How a model predicted a partition; without a model where the partition has no rows."""

    partition: str
    model: str = ""
    current: bool = False
    """Whether the model is the one in use now."""
    took_over: bool = False
    """Whether another model predicted the partition before."""
    rows: int = 0
    labelled: int = 0
    metric: Reading = field(default_factory=Reading)
    gap: Reading = field(default_factory=Reading)


@dataclass(frozen=True)
class Stint:
    """Consecutive partitions that one model predicted."""

    model: str
    current: bool
    span: str


@dataclass(frozen=True)
class Line:
    """A line of a table: what it is, its value, and the value's interval."""

    name: str
    value: str
    bounds: str = ""


@dataclass(frozen=True)
class Compared:
    """A new model against the one in use; no lines where nothing could be compared."""

    lead: str
    rows: str
    loss: str
    lines: list[Line]


@dataclass(frozen=True)
class Due:
    """Whether the model in use should be retrained, and the reasons."""

    lead: str
    reasons: list[str]


@dataclass(frozen=True)
class InUse(Section):
    """How the models in use did on the partitions that came after them."""

    attention: list[str] = field(default_factory=list)
    """What needs attention besides what the lead says."""
    metric: str = ""
    reference: Reading = field(default_factory=Reading)
    """The metric of the model in use on its own test rows."""
    gap_name: str = ""
    gap_unit: str = ""
    judged: list[Judged] = field(default_factory=list)
    """The newest partitions, oldest first, those without rows among them."""
    earlier: int = 0
    """Partitions before, which are not shown."""
    recent: list[Judged] = field(default_factory=list)
    """The last ones with rows, newest first."""
    stints: list[Stint] = field(default_factory=list)
    """The last ones, newest first."""
    more_stints: int = 0
    remark: str = ""
    compared: Compared | None = None
    due: Due | None = None

    @property
    def has_metric(self) -> bool:
        """Whether there is any value of the metric."""
        return any(judged.metric.value is not None for judged in self.judged)

    @property
    def has_gap(self) -> bool:
        """Whether there is any value of the gap."""
        return any(judged.gap.value is not None for judged in self.judged)
