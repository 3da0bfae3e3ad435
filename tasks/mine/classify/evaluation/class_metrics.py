"""How good class probabilities are, with bootstrap intervals.

Every metric is computed from weights of the rows: weights of 1 give its value, and the counts of
a draw with replacement give one bootstrap resample of it. All variants of a model are measured on
the same draws, so their differences are paired (Efron and Tibshirani 1993, chapter 13).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.classify.decision import predict_classes
from fusemine.tasks.stats.intervals import json_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats

METRICS = (
    "average_precision",
    "roc_auc",
    "balanced_accuracy",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "log_loss",
    "brier",
    "calibration_error",
)
_REASONS = {
    "average_precision": "the test rows are of one class, so there is no ranking to judge",
    "r2": "the test rows all have the same number, so there is no spread to explain",
}
BIASED = ("calibration_error",)
"""Metrics that chance raises, so that a resample's is higher than that of the rows."""
MAX_AT_ONCE, MAX_WEIGHTS = 1_000_000, 30_000_000
"""Row weights held at once, and row weights drawn in all: a large table gets fewer resamples."""
MIN_RESAMPLES = 50
BINS, POINTS = 10, 200


@dataclass(frozen=True)
class Task:
    """The true classes of n rows, and how predictions of them are counted."""

    truth: NDArray[np.int64]
    """Class of each row (n,), from 0 to `classes` - 1."""
    classes: int
    positive: int | None
    """The class that a binary metric is about; None averages over the classes there are."""
    threshold: float | None = None
    """From this probability on a row is called positive; None calls the likeliest class."""
    groups: NDArray[np.int64] | None = None
    """The group of each row (n,), from 0 without gaps, where rows are drawn by whole groups."""

    @property
    def ranked(self) -> list[int]:
        """The classes that have a ranking: those with rows in and rows out of them."""
        seen = np.bincount(self.truth, minlength=self.classes)
        classes = range(self.classes) if self.positive is None else [self.positive]
        return [k for k in classes if 0 < seen[k] < len(self.truth)]

    def predicted(self, probabilities: Floats) -> NDArray[np.int64]:
        """The class (n,) that each row of probabilities (n, classes) is predicted as."""
        return predict_classes(probabilities, self.positive, self.threshold)

    def confidences(self, probabilities: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """The confidence in each row's prediction (n,), and whether it came true (n,).

        It is the probability of the positive class or, without one, of the likeliest class.

        Args:
            probabilities: Of each class (n, classes).
        """
        if self.positive is None:
            return probabilities.max(axis=1), probabilities.argmax(axis=1) == self.truth
        return probabilities[:, self.positive], self.truth == self.positive


def measure(
    task: Task, variants: dict[str, Floats], resamples: int, seed: int
) -> dict[str, dict[str, Floats]]:
    """Every metric of every variant's probabilities (n, classes).

    Binary metrics are those of the positive class. With more classes ranking metrics are
    one-versus-rest and averaged over the classes of the test rows, as are precision, recall and
    F1. The Brier score is half the squared error of all probabilities, which for two classes is
    the squared error of one. The calibration error is the expected one over ten bins of equal
    width: of the positive class's probability (Naeini et al. 2015) or, with more classes, of the
    likeliest class's (Guo et al. 2017).

    The seed and the numbers of rows and classes decide the draws, so variants with thresholds of
    their own are paired even if they are measured one by one.

    Returns:
        variant → metric → values (1 + resamples,): first of the rows themselves, then of each
        resample; NaN where it is not defined, as for a resample that lacks a class.
    """
    found: dict[str, list[Floats]] = {name: [] for name in variants}
    # All variants see the same draws, so that their differences are paired.
    for weights in bootstrap_weights(len(task.truth), resamples, seed, task.classes, task.groups):
        for name, probabilities in variants.items():
            found[name].append(_measure(task, probabilities, weights))
    return {
        name: dict(zip(METRICS, np.concatenate(parts, axis=1), strict=True))
        for name, parts in found.items()
    }


def measure_once(task: Task, probabilities: Floats) -> dict[str, float]:
    """Every metric of probabilities (n, classes) without resamples; NaN where not defined."""
    (found,) = _measure(task, probabilities, np.ones((1, len(task.truth)))).T
    return dict(zip(METRICS, found.tolist(), strict=True))


def with_intervals(values: dict[str, Floats]) -> dict[str, Any]:
    """One variant's metrics, JSON-ready: `<metric>` and `<metric>_interval`, [low, high]."""
    result: dict[str, Any] = {}
    for name, drawn in values.items():
        result[name] = json_number(drawn[0])
        result[f"{name}_interval"] = bootstrap_interval(drawn, name in BIASED)
    why = [reason for name, reason in _REASONS.items() if result.get(name, 0) is None]
    return {**result, "reason": why[0]} if why else result


def fusion_gain(measured: dict[str, dict[str, Floats]]) -> dict[str, Any]:
    """What both add to the better of table and text, JSON-ready.

    It is counted in average precision, or for numbers in RMSE, and positive where both is better.
    """
    metric, words, sign = "average_precision", "an average precision", 1.0
    if any("rmse" in values for values in measured.values()):
        metric, words, sign = "rmse", "an RMSE", -1.0
    views = ("table", "text", "both")
    scores = {view: sign * measured[view][metric] for view in views if view in measured}
    if len(scores) < len(views) or np.isnan(scores["both"][0]):
        reason = f"table, text and both must each have {words}"
        return {"skipped": reason, "value": None, "interval": None, "over": None}
    over = max(views[:2], key=lambda view: float(scores[view][0]))
    drawn = scores["both"] - scores[over]
    value, interval = json_number(drawn[0]), bootstrap_interval(drawn)
    return {"skipped": None, "value": value, "interval": interval, "over": over}


def bootstrap_interval(drawn: Floats, biased: bool = False) -> list[float] | None:
    """The 2.5th and 97.5th percentile of the resamples, or None where there are none.

    Args:
        drawn: A metric's values (1 + resamples,), first of the rows themselves.
        biased: Whether resampling raises the metric. Then the percentiles are reflected at its
            value (the basic bootstrap interval, Davison and Hinkley 1997, section 5.2), not below
            0 and not beyond the value.

    >>> bootstrap_interval(np.array([0.5, 0.4, 0.6]))
    [0.405, 0.595]
    """
    value, known = drawn[0], drawn[1:][~np.isnan(drawn[1:])]
    if np.isnan(value) or not len(known):
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    if biased:
        low, high = max(0.0, min(2 * value - high, value)), max(2 * value - low, value)
    return [round(float(low), 6), round(float(high), 6)]


def confusion_matrix(task: Task, probabilities: Floats) -> list[list[int]]:
    """Rows by true class (first index) and predicted class (second)."""
    pairs = task.truth * task.classes + task.predicted(probabilities)
    counts = np.bincount(pairs, minlength=task.classes**2)
    rows: list[list[int]] = counts.reshape(task.classes, task.classes).tolist()
    return rows


def precision_recall_curve(task: Task, probabilities: Floats) -> dict[str, list[float]] | None:
    """The curve of the positive class at 200 points or fewer, evenly along the recall."""
    if task.positive is None or not task.ranked:
        return None
    scores = probabilities[:, task.positive]
    # Rows of equal scores cannot be separated by a threshold, so only the last of a run counts.
    order, ends = _order(scores)
    hits = np.cumsum(task.truth[order] == task.positive)[ends]
    recall = hits / hits[-1]
    # Evenly along the recall, because that is the axis of the chart.
    chosen = np.unique(np.searchsorted(recall, np.linspace(recall[0], 1.0, POINTS)))
    columns = {
        "recall": recall[chosen],
        "precision": (hits / (ends + 1))[chosen],
        "threshold": scores[order][ends][chosen],
    }
    return {name: [round(float(v), 6) for v in values] for name, values in columns.items()}


def calibration_curve(task: Task, probabilities: Floats) -> list[dict[str, Any]] | None:
    """Mean probability and share of positive rows, in ten bins of the probability."""
    if task.positive is None:
        return None
    confidence, true = task.confidences(probabilities)
    held = [_bins(confidence) == k for k in range(BINS)]
    return [
        {
            "from": k / BINS,
            "to": (k + 1) / BINS,
            "rows": int(rows.sum()),
            "mean_probability": json_number(confidence[rows].mean()) if rows.any() else None,
            "share_positive": json_number(true[rows].mean()) if rows.any() else None,
        }
        for k, rows in enumerate(held)
    ]


def bootstrap_weights(
    rows: int,
    resamples: int,
    seed: int,
    effort: int = 1,
    groups: NDArray[np.int64] | None = None,
) -> Iterator[Floats]:
    """Weights of the rows in each draw: first the rows as they are, then the resamples.

    Rows of one group are drawn together, because they are alike (Davison and Hinkley 1997, section
    3.8).

    Args:
        rows: How many rows there are.
        resamples: How often they are drawn; a large table is drawn less often.
        seed: Where the random numbers start.
        effort: How much work a row is, such as its classes: the more, the fewer draws.
        groups: The group of each row (n,), where there are groups.

    Yields:
        Weights (draws, rows), some draws at a time.
    """
    yield np.ones((1, rows))
    # The cost of a draw grows with rows and classes, so a large table gets fewer of them.
    left = max(MIN_RESAMPLES, min(resamples, MAX_WEIGHTS // (rows * effort)))
    random = np.random.default_rng(seed)
    units = rows if groups is None else int(groups.max()) + 1
    while left > 0:
        # A few draws at a time, so that memory stays bounded.
        size = min(left, max(1, MAX_AT_ONCE // rows))
        picks = random.integers(0, units, size=(size, units))
        drawn = np.stack([np.bincount(pick, minlength=units) for pick in picks])
        # Without groups a unit is a row; otherwise each row counts as often as its group was drawn.
        weights = (drawn if groups is None else drawn[:, groups]).astype(np.float64)
        yield weights * (rows / weights.sum(axis=1, keepdims=True))  # groups differ in size
        left -= size


def _bins(confidence: Floats) -> NDArray[np.int64]:
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def _measure(task: Task, probabilities: Floats, weights: Floats) -> Floats:
    """All metrics (metrics, draws) in the order of `METRICS`."""
    rankings = [_ranking(task.truth == k, probabilities[:, k], weights) for k in task.ranked]
    none = np.full((2, len(weights)), np.nan)
    ranked = np.mean(rankings, axis=0) if rankings else none
    measures = (_decisions, _losses, _calibration_error)
    return np.concatenate([ranked, *(each(task, probabilities, weights) for each in measures)])


def _ranking(truth: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    """Average precision and area under the ROC curve (2, draws); equal scores count as one."""
    order, ends = _order(scores)
    # Sums from the highest score down give true and false positives at each threshold.
    drawn = weights[:, order]
    found = np.cumsum(drawn * truth[order], axis=1)[:, ends]
    false = np.cumsum(drawn, axis=1)[:, ends] - found
    rise, run = np.diff(found, prepend=0, axis=1), np.diff(false, prepend=0, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(found > 0, found / (found + false), 0)
        # Average precision is the area of steps; the ROC area takes trapezoids, which halve ties.
        average = (rise * precision).sum(axis=1) / found[:, -1]
        area = (run * (found - rise / 2)).sum(axis=1) / (found[:, -1] * false[:, -1])
    # A draw of one class alone has no ranking.
    return np.where(false[:, -1] > 0, np.stack([average, area]), np.nan)


def _order(scores: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows from the highest score down, and the last place of each run of equal scores."""
    order = np.argsort(-scores, kind="stable")
    changes = np.diff(scores[order]) != 0
    return order, np.flatnonzero(np.append(changes, True))


def _decisions(task: Task, probabilities: Floats, weights: Floats) -> Floats:
    """Balanced accuracy, accuracy, precision, recall and F1 (5, draws)."""
    from scipy import sparse

    rows, k = len(task.truth), task.classes
    pairs = task.truth * k + task.predicted(probabilities)
    # One sparse product counts the confusion matrix of every draw.
    cells = sparse.csr_matrix((np.ones(rows), (pairs, np.arange(rows))), shape=(k * k, rows))
    counts = (cells @ weights.T).T.reshape(-1, k, k)
    right, true, called = np.einsum("dkk->dk", counts), counts.sum(axis=2), counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = right / true
        precision = np.where(called > 0, right / called, 0.0)
        # A class without rows in the draw has no F1 of its own.
        f1 = np.where(true > 0, 2 * right / (true + called), np.nan)
    seen = np.unique(task.truth)
    counted = seen if task.positive is None else [task.positive]
    shown = [metric[:, counted].mean(axis=1) for metric in (precision, recall, f1)]
    return np.stack([recall[:, seen].mean(axis=1), right.sum(axis=1) / rows, *shown])


def _losses(task: Task, probabilities: Floats, weights: Floats) -> Floats:
    """Log loss and Brier score (2, draws)."""
    rows = np.arange(len(task.truth))
    own = np.maximum(probabilities[rows, task.truth], np.finfo(np.float64).eps)
    # Half the squared distance to the one-hot truth, which for two classes is the Brier score.
    errors = probabilities.copy()
    errors[rows, task.truth] -= 1
    losses = np.stack([-np.log(own), np.square(errors).sum(axis=1) / 2])
    return np.asarray(losses @ weights.T / len(rows))


def _calibration_error(task: Task, probabilities: Floats, weights: Floats) -> Floats:
    """Expected calibration error (1, draws): the bins' gaps, weighted by their rows."""
    from scipy import sparse

    confidence, true = task.confidences(probabilities)
    rows = len(true)
    # Within a bin the share of rows times the gap of the means is the sum of the rows' gaps.
    cells = (confidence - true, (_bins(confidence), np.arange(rows)))
    gaps = sparse.csr_matrix(cells, shape=(BINS, rows))
    return np.asarray(np.abs(gaps @ weights.T).sum(axis=0, keepdims=True) / rows)
