"""How the models in use did on the partitions that came after them, and whether that is enough.

Each partition is foretold by the model that was in use before it came, and judged by the labels
that are known by now: prequential evaluation (Dawid 1984; Gama, Sebastião and Rodrigues 2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.mine.classify.contracts import PROBABILITY
from fusemine.tasks.mine.classify.evaluation import class_metrics
from fusemine.tasks.mine.classify.evaluation.number_metrics import measure_numbers
from fusemine.tasks.serving.challenge.compare import losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.mine.classify.evaluation.class_metrics import Task
    from fusemine.tasks.mine.classify.learners.training_set import Floats
    from fusemine.tasks.serving.settings import RetrainRule

RESAMPLES, DRAWN, SEED = 200, 200_000, 0
"""How often a partition's rows are drawn anew, and so many rows of them in all, roughly."""
SHOWN = 120
"""The newest partitions, whose metric has an interval."""
FEWEST = 30
"""With fewer labelled rows since it was trained, nothing is said of a model."""
FEWEST_EACH = 5
WIDE = 1.959964
"""Standard errors on each side of a mean that a 95 % interval holds."""
_COLUMNS: dict[str, Any] = {
    "partition": pl.String,
    "model": pl.String,
    "rows": pl.Int64,
    "labelled": pl.Int64,
    **dict.fromkeys(
        [name + end for name in ("metric", "loss", "gap") for end in ("", "_low", "_high")],
        pl.Float64,
    ),
}


@dataclass(frozen=True)
class Kind:
    """What a label is.

    Args:
        number: Whether it is a number.
        positive: The class that it is about, where there are two.
        metric: What models are compared by.
    """

    number: bool
    positive: str | None = None
    metric: str = "average_precision"


@dataclass(frozen=True)
class Scored:
    """A partition, as the model in use before it foretold it.

    Args:
        partition: Its key.
        model: The model's id.
        kind: What the model foretells.
        predictions: By the contract `predictions`.
        labels: `row_id` and `label` of its rows, as known by now.
    """

    partition: str
    model: str
    kind: Kind
    predictions: pl.DataFrame
    labels: pl.DataFrame

    def known(self) -> tuple[pl.DataFrame, pl.Series]:
        """The predictions of the rows that have a label, and these."""
        rows = self.predictions.drop("label").join(
            self.labels.drop_nulls("label"), on="row_id", maintain_order="left"
        )
        return rows.drop("label"), rows["label"]


@dataclass(frozen=True)
class Watched:
    """The partitions one by one, as `contracts.WATCH` says, and the rows' losses and gaps."""

    rows: pl.DataFrame
    losses: dict[str, Floats]
    """By partition."""
    gaps: dict[str, Gaps]


@dataclass(frozen=True)
class Gaps:
    """How much too high each of n rows was foretold.

    Attributes:
        high: (n,) what was foretold less what came.
        chance: (n,) the variance of that if it comes true as often as was foretold; 0 for numbers.
    """

    high: Floats
    chance: Floats

    def mean(self) -> tuple[float | None, float | None, float | None]:
        """The mean and its 95 % interval, as far as there are rows for them.

        Where few rows came true, or none, they scatter less than chance would have them.
        """
        return _mean(self.high, float(self.chance.mean()) if len(self.chance) else 0.0)


def watch(scored: Sequence[Scored]) -> Watched:
    """Judge the models in use, partition by partition.

    `metric` is the average precision, or the RMSE of a number, with a bootstrap interval; `loss`
    the mean log loss or squared error; `gap` how much too high probabilities (or numbers) are on
    average: of the positive class, or without one of the likeliest class.

    Args:
        scored: The partitions, oldest first.
    """
    records, lost, gaps = [], {}, {}
    for place, part in enumerate(scored):
        predictions, labels = part.known()
        lost[part.partition] = losses(predictions, labels, part.kind.number)
        gaps[part.partition] = _gaps(predictions, labels, part.kind)
        means = [*_mean(lost[part.partition]), *gaps[part.partition].mean()]
        about = (part.partition, part.model, part.predictions.height, len(labels))
        rows = (predictions, labels, part.kind)
        bounds = _interval(*rows) if place >= len(scored) - SHOWN else (None, None)
        records.append((*about, _metric(*rows), *bounds, *means))
    return Watched(pl.DataFrame(records, _COLUMNS, orient="row"), lost, gaps)


def _mean(values: Floats, least: float = 0.0) -> tuple[float | None, float | None, float | None]:
    """The mean and its 95 % interval, as far as there are values for them.

    Args:
        values: (n,) values.
        least: Their variance is held to be no less than this.
    """
    if not len(values):
        return None, None, None
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None, None
    far = WIDE * float(np.sqrt(max(values.var(ddof=1), least) / len(values)))
    return mean, mean - far, mean + far


def _gaps(predictions: pl.DataFrame, labels: pl.Series, kind: Kind) -> Gaps:
    if kind.number:
        foretold = predictions["prediction"].cast(pl.Float64) - labels.cast(pl.Float64)
        return Gaps(foretold.to_numpy(), np.zeros(len(labels)))
    task, probabilities = _task(predictions, labels, kind)
    claimed, came = task.foretold(probabilities)
    return Gaps(np.asarray(claimed - came), np.asarray(claimed * (1 - claimed)))


def _metric(predictions: pl.DataFrame, labels: pl.Series, kind: Kind) -> float | None:
    """The leading metric, as far as it is defined."""
    if not len(labels):
        return None
    if kind.number:
        return float(np.sqrt(losses(predictions, labels, number=True).mean()))
    task, probabilities = _task(predictions, labels, kind)
    found = class_metrics.measured_once(task, probabilities)
    return class_metrics.json_number(found[kind.metric])


def _interval(
    predictions: pl.DataFrame, labels: pl.Series, kind: Kind
) -> tuple[float | None, float | None]:
    """Its 95 % interval, by drawing the rows anew.

    A ranking of fewer than `FEWEST_EACH` rows of a class, or besides it, has none: drawn anew,
    such rows show hardly any of what could have come.
    """
    if not len(labels):
        return None, None
    often = min(RESAMPLES, DRAWN // len(labels))
    if kind.number:
        truth = labels.cast(pl.Float64).to_numpy()
        foretold = predictions["prediction"].cast(pl.Float64).to_numpy()
        found = measure_numbers(truth, {"": foretold}, often, SEED)
    else:
        task, probabilities = _task(predictions, labels, kind)
        if _rarest(task) < FEWEST_EACH:
            return None, None
        found = class_metrics.measure(task, {"": probabilities}, often, SEED)
    low, high = class_metrics.described(found[""])[f"{kind.metric}_interval"] or (None, None)
    return low, high


def _rarest(task: Task) -> int:
    """The rows of the rarest class that a ranking is judged for, or besides the commonest."""
    seen = np.bincount(task.truth, minlength=task.classes)[task.ranked]
    return int(min(seen.min(), len(task.truth) - seen.max())) if len(seen) else 0


def _task(predictions: pl.DataFrame, labels: pl.Series, kind: Kind) -> tuple[Task, Floats]:
    """The classes that are judged; one that the model does not know has probability 0."""
    known = [n.removeprefix(PROBABILITY) for n in predictions.columns if n.startswith(PROBABILITY)]
    names = sorted({*known, *labels})
    empty = np.zeros(len(labels))
    columns = [predictions[PROBABILITY + n].to_numpy() if n in known else empty for n in names]
    truth = labels.replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    # With a third class the question is no longer one of two.
    binary = kind.positive is not None and len(names) == 2
    positive = names.index(kind.positive) if binary and kind.positive is not None else None
    return class_metrics.Task(truth, len(names), positive), np.stack(columns, axis=1)


_GAPS = ("high", "chance")


@dataclass(frozen=True)
class Due:
    """Whether the model in use should be trained anew.

    Args:
        due: Whether it should.
        reasons: Why, or how far it is from that; a sentence each.
    """

    due: bool
    reasons: tuple[str, ...]


def is_due(
    rule: RetrainRule, model: str, test_loss: float | None, since: Sequence[str], watched: Watched
) -> Due:
    """Hold a model in use against the rule for training anew.

    Args:
        rule: The rule.
        model: Its id.
        test_loss: Its mean loss on its own test rows, None if it foretells nothing.
        since: The partitions with rows that came after its own; those without any label yet have
            nothing to teach.
        watched: How it did on them.
    """
    mine = watched.rows.filter(pl.col("model") == model)["partition"].to_list()
    bare = watched.rows.filter(pl.col("labelled") == 0)["partition"].to_list()
    since = [partition for partition in since if partition not in bare]
    lost = np.concatenate([np.zeros(0), *(watched.losses[name] for name in mine)])
    parts = [watched.gaps[name] for name in mine]
    gaps = Gaps(*(np.concatenate([np.zeros(0), *(getattr(g, f) for g in parts)]) for f in _GAPS))
    found = [_by_age(rule, since), _by_loss(rule, test_loss, lost), _by_gap(rule, gaps)]
    held = [verdict for verdict in found if verdict is not None]
    return Due(any(due for due, _ in held), tuple(said for _, said in held))


def _by_age(rule: RetrainRule, since: Sequence[str]) -> tuple[bool, str] | None:
    if rule.every is None:
        return None
    count = len(since)
    told = "1 partition" if count == 1 else f"{count:,} partitions"
    return count >= rule.every, (
        f"{told} came since it was trained, and a new one is due after {rule.every:,}"
    )


def _by_loss(rule: RetrainRule, test_loss: float | None, lost: Floats) -> tuple[bool, str] | None:
    if rule.worse is None or test_loss is None:
        return None
    if len(lost) < FEWEST:
        return False, f"only {len(lost)} labelled rows came since it was trained"
    mean, low, _ = _mean(lost)
    bar = (1 + rule.worse) * test_loss
    told = f"its loss since then is {mean:.4g} (at least {low:.4g}), against {test_loss:.4g} on its"
    return bool(low is not None and low > bar), f"{told} test rows; the bar is {bar:.4g}"


def _by_gap(rule: RetrainRule, gaps: Gaps) -> tuple[bool, str] | None:
    if rule.miscalibrated is None or len(gaps.high) < FEWEST:
        return None
    mean, low, high = gaps.mean()
    bar = rule.miscalibrated
    beyond = low is not None and high is not None and (low > bar or high < -bar)
    return beyond, f"what it foretells is {mean:+.3g} too high on average; {bar:g} is allowed"
