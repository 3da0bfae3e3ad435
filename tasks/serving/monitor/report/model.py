"""What the report shows of the models in use: how they did, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusemine.tasks.mine.classify.report.model import Estimate
from fusemine.tasks.report.model import Figure, Section

if TYPE_CHECKING:
    from fusemine.tasks.serving.monitor.report.performance import Performance


@dataclass(frozen=True)
class Result:
    """How a model predicted a partition; without a model where the partition has no rows."""

    partition: str
    model: str = ""
    current: bool = False
    """Whether the model is the one in use now."""
    took_over: bool = False
    """Whether another model predicted the partition before."""
    rows: int = 0
    labelled: int = 0
    metric: Estimate = field(default_factory=Estimate)
    gap: Estimate = field(default_factory=Estimate)


@dataclass(frozen=True)
class Term:
    """Consecutive partitions that one model predicted."""

    model: str
    current: bool
    span: str


@dataclass(frozen=True)
class Comparison(Section):
    """A new model compared with the one in use; no lines where nothing could be compared."""

    rows: str
    loss: str
    lines: list[Figure]


@dataclass(frozen=True)
class Retraining(Section):
    """Whether the model in use is due for retraining, and the reasons."""

    reasons: list[str]


@dataclass(frozen=True)
class InUse(Section):
    """How the models in use did on the partitions that came after them."""

    attention: list[str] = field(default_factory=list)
    """What needs attention besides the lead."""
    performance: Performance | None = None
    results: list[Result] = field(default_factory=list)
    """The newest partitions, oldest first, those without rows among them."""
    earlier: int = 0
    """Partitions before, which are not shown."""
    recent: list[Result] = field(default_factory=list)
    """The last ones with rows, newest first."""
    terms: list[Term] = field(default_factory=list)
    """The last ones, newest first."""
    more_terms: int = 0
    comparison: Comparison | None = None
    retraining: Retraining | None = None
