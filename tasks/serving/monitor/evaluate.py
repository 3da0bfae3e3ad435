"""Evaluates the models in use on the partitions after them, and decides whether to retrain.

Each partition was predicted by the model that was in use before it arrived. It is evaluated with
the labels that are known by now: prequential evaluation (Dawid 1984; Gama, Sebastião and Rodrigues
2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.mine.classify.contracts import PROBABILITY
from fusemine.tasks.mine.classify.evaluation import class_metrics
from fusemine.tasks.mine.classify.evaluation.number_metrics import measure_numbers
from fusemine.tasks.serving.compare import losses
from fusemine.tasks.serving.monitor.contracts import MONITOR
from fusemine.tasks.stats.intervals import json_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.mine.classify.evaluation.class_metrics import Task
    from fusemine.tasks.serving.settings import RetrainRule
    from fusemine.tasks.stats.intervals import Floats

RESAMPLES, DRAWN, SEED = 200, 200_000, 0
"""Bootstrap resamples of a partition, and roughly the most rows that are drawn for them in all."""
SHOWN = 120
"""The newest partitions, whose metric has an interval."""
FEWEST = 30
"""With fewer labelled rows since its training a model's loss and calibration are not tested."""
FEWEST_EACH = 5
WIDE = 1.959964
"""Standard errors on each side of a mean that a 95 % interval holds."""
Estimate = tuple[float | None, float | None, float | None]
"""A value and both ends of its 95 % interval."""


@dataclass(frozen=True)
class Kind:
    """What a label is.

    Args:
        number: Whether it is a number.
        positive: The positive class, where there are two.
        metric: The metric that models are compared by.
    """

    number: bool
    positive: str | None = None
    metric: str = "average_precision"


@dataclass(frozen=True)
class ScoredPartition:
    """A partition and its predictions by the model that was in use before it.

    Args:
        partition: Its key.
        model: The model's id.
        kind: What the model predicts.
        predictions: By the contract `predictions`.
        labels: `row_id` and `label` of its rows, as known by now.
    """

    partition: str
    model: str
    kind: Kind
    predictions: pl.DataFrame
    labels: pl.DataFrame

    def labelled(self) -> tuple[pl.DataFrame, pl.Series]:
        """The predictions of the rows that have a label, and their labels."""
        rows = self.predictions.drop("label").join(
            self.labels.drop_nulls("label"), on="row_id", maintain_order="left"
        )
        return rows.drop("label"), rows["label"]


@dataclass(frozen=True)
class Evaluation:
    """The partitions one by one, and what they were computed from.

    Args:
        rows: By the contract `monitor`.
        losses: The loss of each of a partition's n labelled rows (n,), by partition.
        gaps: By partition, for each of these rows (2, n): the prediction less the truth, and the
            variance of that if predicted probabilities are calibrated; 0 for numbers.
    """

    rows: pl.DataFrame
    losses: dict[str, Floats]
    gaps: dict[str, Floats]


def evaluate(scored: Sequence[ScoredPartition]) -> Evaluation:
    """Evaluate the models in use, partition by partition.

    `metric` is the average precision, or the RMSE of a number, with a bootstrap interval; `loss`
    the mean log loss or squared error; `gap` how much too high probabilities (or numbers) are on
    average: of the positive class, or without one of the most likely class.

    Args:
        scored: The partitions, oldest first.
    """
    records, lost, gaps = [], {}, {}
    for place, part in enumerate(scored):
        predictions, labels = part.labelled()
        loss = lost[part.partition] = losses(predictions, labels, part.kind.number)
        gap = gaps[part.partition] = _gaps(predictions, labels, part.kind)
        # Only the newest partitions get a bootstrap interval: that of a long history takes minutes.
        recent = place >= len(scored) - SHOWN
        metric = _metric(predictions, labels, part.kind, loss, recent)
        about = (part.partition, part.model, part.predictions.height, len(labels))
        records.append((*about, *metric, *_mean(loss), *_mean_gap(gap)))
    schema = pl.DataFrame(MONITOR.empty()).schema
    return Evaluation(pl.DataFrame(records, schema, orient="row"), lost, gaps)


def _mean(values: Floats, least: float = 0.0) -> Estimate:
    """The mean of values (n,) and its 95 % interval, as far as there are values for them.

    Args:
        values: The values.
        least: A lower bound of their variance.
    """
    if not len(values):
        return None, None, None
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None, None
    far = WIDE * float(np.sqrt(max(values.var(ddof=1), least) / len(values)))
    return mean, mean - far, mean + far


def _mean_gap(gaps: Floats) -> Estimate:
    """The mean gap: few rows that came true, or none, scatter less than chance would have them."""
    excess, variance = gaps
    return _mean(excess, float(variance.mean()) if len(variance) else 0.0)


def _gaps(predictions: pl.DataFrame, labels: pl.Series, kind: Kind) -> Floats:
    if kind.number:
        excess = predictions["prediction"].cast(pl.Float64) - labels.cast(pl.Float64)
        return np.stack([excess.to_numpy(), np.zeros(len(labels))])
    task, probabilities = _task(predictions, labels, kind)
    confidence, correct = task.confidences(probabilities)
    return np.stack([confidence - correct, confidence * (1 - confidence)])


def _metric(
    predictions: pl.DataFrame, labels: pl.Series, kind: Kind, loss: Floats, bounded: bool
) -> Estimate:
    """The leading metric, as far as it is defined, with a bootstrap interval if `bounded`.

    A ranking of fewer than `FEWEST_EACH` rows of a class, or outside of it, has no interval:
    resamples of so few rows show hardly any of the values that were possible.
    """
    if not len(labels):
        return None, None, None
    often = min(RESAMPLES, DRAWN // len(labels))
    if kind.number:
        value: float | None = float(np.sqrt(loss.mean()))
        if not bounded:
            return value, None, None
        truth = labels.cast(pl.Float64).to_numpy()
        predicted = predictions["prediction"].cast(pl.Float64).to_numpy()
        found = measure_numbers(truth, {"": predicted}, often, SEED)
    else:
        task, probabilities = _task(predictions, labels, kind)
        value = json_number(class_metrics.measure_once(task, probabilities)[kind.metric])
        if not bounded or _rarest(task) < FEWEST_EACH:
            return value, None, None
        found = class_metrics.measure(task, {"": probabilities}, often, SEED)
    low, high = class_metrics.with_intervals(found[""])[f"{kind.metric}_interval"] or (None, None)
    return value, low, high


def _rarest(task: Task) -> int:
    """The rows of the rarest ranked class, or those outside of the most frequent one if fewer."""
    rows = np.bincount(task.truth, minlength=task.classes)[task.ranked]
    return int(min(rows.min(), len(task.truth) - rows.max())) if len(rows) else 0


def _task(predictions: pl.DataFrame, labels: pl.Series, kind: Kind) -> tuple[Task, Floats]:
    """The classes; one that the model does not know has probability 0."""
    known = [n.removeprefix(PROBABILITY) for n in predictions.columns if n.startswith(PROBABILITY)]
    names = sorted({*known, *labels})
    empty = np.zeros(len(labels))
    columns = [predictions[PROBABILITY + n].to_numpy() if n in known else empty for n in names]
    truth = labels.replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    # With a third class the task is no longer binary.
    binary = kind.positive is not None and len(names) == 2
    positive = names.index(kind.positive) if binary and kind.positive is not None else None
    return class_metrics.Task(truth, len(names), positive), np.stack(columns, axis=1)


def retraining_due(
    rule: RetrainRule,
    model: str,
    test_loss: float | None,
    since: Sequence[str],
    evaluation: Evaluation,
) -> tuple[bool, list[str]]:
    """Whether a model in use is due for retraining, and the reasons; a sentence for each test.

    Args:
        rule: The rule.
        model: Its id.
        test_loss: Its mean loss on its own test rows, None if it predicts nothing.
        since: The partitions with rows that came after its own; those without any label yet do
            not count, because a new model could not learn from them.
        evaluation: How it did on them.
    """
    rows = evaluation.rows
    own = rows.filter(pl.col("model") == model)["partition"].to_list()
    unlabelled = rows.filter(pl.col("labelled") == 0)["partition"].to_list()
    age = sum(partition not in unlabelled for partition in since)
    lost = np.concatenate([np.zeros(0), *(evaluation.losses[name] for name in own)])
    gaps = np.concatenate([np.zeros((2, 0)), *(evaluation.gaps[name] for name in own)], axis=1)
    tests = [_by_age(rule, age), _by_loss(rule, test_loss, lost), _by_gap(rule, gaps)]
    found = [test for test in tests if test is not None]
    return any(due for due, _ in found), [reason for _, reason in found]


def _by_age(rule: RetrainRule, age: int) -> tuple[bool, str] | None:
    if rule.every is None:
        return None
    partitions = "1 partition" if age == 1 else f"{age:,} partitions"
    return age >= rule.every, (
        f"{partitions} came since it was trained, and a new one is due after {rule.every:,}"
    )


def _by_loss(rule: RetrainRule, test_loss: float | None, lost: Floats) -> tuple[bool, str] | None:
    if rule.worse is None or test_loss is None:
        return None
    if len(lost) < FEWEST:
        return False, f"only {len(lost)} labelled rows came since it was trained"
    mean, low, _ = _mean(lost)
    most = (1 + rule.worse) * test_loss
    reason = (
        f"its loss since then is {mean:.4g} (at least {low:.4g}), against {test_loss:.4g} on its "
        f"test rows; the limit is {most:.4g}"
    )
    return bool(low is not None and low > most), reason


def _by_gap(rule: RetrainRule, gaps: Floats) -> tuple[bool, str] | None:
    if rule.miscalibrated is None or gaps.shape[1] < FEWEST:
        return None
    mean, low, high = _mean_gap(gaps)
    most = rule.miscalibrated
    beyond = low is not None and high is not None and (low > most or high < -most)
    return beyond, f"its predictions are {mean:+.3g} too high on average; {most:g} is allowed"
