"""What can be set of learning the label."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from fusemine.tasks.core.settings import Settings
from fusemine.tasks.fuse.settings import LearningWeights


def _first_day(value: object) -> object:
    """The first day of a year or month; whatever else comes is left to pydantic."""
    parts = str(value).split("-")
    if isinstance(value, bool) or not all(part.isdecimal() for part in parts) or len(parts) > 2:
        return value
    return "-".join([parts[0].zfill(4), *(part.zfill(2) for part in parts[1:]), "01", "01"][:3])


_DAY_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}
Day = Annotated[date | None, BeforeValidator(_first_day), WithJsonSchema(_DAY_SCHEMA)]
"""A day, or the first one of a month or year: 1996, "1996-01", "1996-01-31"."""


LearnerName = Literal["logistic", "svm", "boosted", "forest", "neighbours", "network", "lightgbm"]
StrategyName = Literal["early", "late", "stacked", "gated"]


class Decision(Settings):
    """When a row is called positive; only of a label of two classes."""

    false_positive: Annotated[float, Field(gt=0)] | None = None
    """What it costs to call a negative row positive."""
    false_negative: Annotated[float, Field(gt=0)] | None = None
    """What it costs to miss a positive row, in the same unit."""
    precision: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Instead of costs: the share of the rows called positive that should be."""

    @model_validator(mode="after")
    def _one_rule(self) -> Decision:
        costs = (self.false_positive is not None) + (self.false_negative is not None)
        if costs == 1 or (self.precision is None) == (costs == 0):
            raise ValueError("give either both costs or a precision")
        return self


class ClassifySettings(Settings):
    """How the label is learnt and tested."""

    not_in_keys = frozenset({"device"})

    strategy: StrategyName | Literal["auto"] = "auto"
    """How text and table are joined. `early`: their features side by side for one learner;
    `late`: the calibrated average of a model for each of terms, text vectors and table; `stacked`:
    a model of these models' out-of-fold predictions; `gated`: a network that weighs the blocks row
    by row; `auto`: the best of these and of mixtures of them, by cross-validation."""
    learner: LearnerName | None = None
    """The learner of `early`, `late` and `stacked`, and the only one that `auto` then tries beside
    the gated network; by default the average of logistic regression and boosted trees for `early`,
    and what suits each block for the others."""
    budget: Annotated[float, Field(gt=0)] = 3.0
    """What `auto` may spend on choosing, in minutes of one core by an estimate from rows and
    classes: a clock would make the choice depend on the machine. Testing and explaining what was
    chosen comes on top. Of a table for which even the average of logistic regression and boosted
    trees is too much, logistic regression alone is learnt."""
    split: Literal["time", "random", "group", "column"] = "time"
    """Which rows test the model: the newest, any, those of whole groups (columns.group), or those
    that columns.split names."""
    test_from: Day = None
    """With `time`, rows from this day, month or year on (1996-01-31, 1996-01, 1996) test the model;
    without it, or where it leaves none, the newest `test_share` of the rows do."""
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """The share of the labelled rows that is held out where nothing else decides."""
    folds: Annotated[int, Field(ge=2, le=50)] = 5
    """Training rows are predicted in so many folds, each by a model that has not seen it."""
    weights: LearningWeights = LearningWeights()
    """How much each block counts where blocks stand side by side."""
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]] = "none"
    """How much the rows of a class count while learning: all alike, so that every class counts
    the same, or by class (`{urgent: 5}`); probabilities are calibrated afterwards."""
    calibration: Literal["auto", "platt", "isotonic", "none"] = "auto"
    """How probabilities are made to come true as often as they say; auto takes isotonic regression
    where the rarest class has 1,000 training rows, and otherwise Platt's sigmoid."""
    decision: Decision | None = None
    """When a row is called positive; by default the likelier class."""
    abstain: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Rows whose likeliest class is less probable than this get no prediction."""
    max_classes: Annotated[int, Field(ge=2)] = 50
    """A label of more classes is not learnt, because time and memory grow with them."""
    groups: tuple[str, ...] = ()
    """Category columns across whose levels the model is compared, such as a state or a sex."""
    explain: Annotated[int, Field(ge=0, le=50)] = 6
    """So many test rows are explained one by one."""
    checks: bool = True
    """Look for leaks, learn from shuffled labels, and draw the learning curve."""
    doubtful: Annotated[int, Field(ge=0, le=10_000)] = 100
    """The most rows that are listed as likely label errors."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    """Where networks are computed: auto, cpu, cuda, cuda:N or mps."""
    resamples: Annotated[int, Field(ge=20, le=10_000)] = 500
    """How often the test rows are resampled for the 95 % intervals of the metrics; at least 50, and
    fewer than this where the table is large."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Where the random numbers start."""

    def places(self) -> dict[str, str]:
        """Each column that is named here, by the place in the YAML that names it."""
        return {f"classify.groups[{i}]": name for i, name in enumerate(self.groups)}

    def check_columns(self, columns: Any) -> None:
        """Refuse groups that are no category columns, and splits without their column."""
        unknown = sorted(set(self.groups) - set(columns.category))
        if unknown:
            raise ValueError(f"classify.groups of {', '.join(unknown)}: no category column")
        needed = {"group": ("group", columns.group), "column": ("split", columns.split)}
        role, column = needed.get(self.split, ("", ""))
        if column is None:
            place = f"classify.split: {self.split}"
            raise ValueError(f"{place} needs columns.{role}; name the column there")
