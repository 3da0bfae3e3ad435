"""How good class probabilities are, with bootstrap intervals.

Every metric is computed from weights of the rows: weights of 1 give its value, and the counts of
a draw with replacement give one bootstrap resample of it. All variants of a model are measured on
the same draws, so their differences are paired (Efron and Tibshirani 1993, chapter 13).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
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
)
CELLS, WORK = 1_000_000, 30_000_000
"""Row weights held at once, and row weights drawn in all: a large table gets fewer resamples."""
LEAST_RESAMPLES = 50
BINS, POINTS = 10, 200


@dataclass(frozen=True)
class Task:
    """What is judged: the true classes of n rows, and how they are counted."""

    truth: NDArray[np.int64]
    """Class of each row (n,), from 0 to `classes` - 1."""
    classes: int
    positive: int | None
    """The class that a binary metric is about; None averages over the classes there are."""

    @property
    def ranked(self) -> list[int]:
        """The classes that a ranking is judged for: those with rows in and rows out of them."""
        seen = np.bincount(self.truth, minlength=self.classes)
        asked = range(self.classes) if self.positive is None else [self.positive]
        return [k for k in asked if 0 < seen[k] < len(self.truth)]


def measure(
    task: Task, variants: dict[str, Floats], resamples: int, seed: int
) -> dict[str, dict[str, Floats]]:
    """Every metric of every variant's probabilities (n, classes).

    Binary metrics are those of the positive class. With more classes ranking metrics are
    one-versus-rest and averaged over the classes of the test rows, as are precision, recall and
    F1. The Brier score is half the squared error of all probabilities, which for two classes is
    the squared error of one.

    Returns:
        variant → metric → values (1 + resamples,): first of the rows themselves, then of each
        resample; NaN where it is not defined, as for a resample that lacks a class.
    """
    found: dict[str, list[Floats]] = {name: [] for name in variants}
    for weights in _draws(len(task.truth), resamples, seed, task.classes):
        for name, probabilities in variants.items():
            found[name].append(_measure(task, probabilities, weights))
    return {
        name: dict(zip(METRICS, np.concatenate(parts, axis=1), strict=True))
        for name, parts in found.items()
    }


def described(values: dict[str, Floats]) -> dict[str, Any]:
    """One variant's metrics, JSON-ready: `<metric>` and `<metric>_interval`, [low, high]."""
    result: dict[str, Any] = {}
    for name, drawn in values.items():
        result[name] = plain(drawn[0])
        result[f"{name}_interval"] = interval(drawn)
    if result["average_precision"] is None:
        result["reason"] = "the test rows are of one class, so there is no ranking to judge"
    return result


def gain(measured: dict[str, dict[str, Floats]]) -> dict[str, Any]:
    """What both add in average precision to the better of table and text, JSON-ready."""
    scores = {name: values["average_precision"] for name, values in measured.items()}
    singles = [name for name in ("table", "text") if name in scores]
    if len(scores) < 3 or np.isnan(scores["both"][0]):
        reason = "table, text and both must each have an average precision"
        return {"skipped": reason, "value": None, "interval": None, "over": None}
    over = max(singles, key=lambda name: float(scores[name][0]))
    drawn = scores["both"] - scores[over]
    return {"skipped": None, "value": plain(drawn[0]), "interval": interval(drawn), "over": over}


def interval(drawn: Floats) -> list[float] | None:
    """The 2.5th and 97.5th percentile of the resamples, or None where there are none."""
    known = drawn[1:][~np.isnan(drawn[1:])]
    if np.isnan(drawn[0]) or not len(known):
        return None
    return [round(float(value), 6) for value in np.percentile(known, [2.5, 97.5])]


def confusion(task: Task, probabilities: Floats) -> list[list[int]]:
    """Rows by true class (first index) and predicted class (second)."""
    pairs = task.truth * task.classes + probabilities.argmax(axis=1)
    counts = np.bincount(pairs, minlength=task.classes**2)
    return [[int(n) for n in row] for row in counts.reshape(task.classes, task.classes)]


def precision_recall(task: Task, probabilities: Floats) -> dict[str, list[float]] | None:
    """The curve of the positive class at 200 points or fewer, evenly along the recall."""
    if task.positive is None or not task.ranked:
        return None
    scores = probabilities[:, task.positive]
    order, ends = _order(scores)
    hits = np.cumsum(task.truth[order] == task.positive)[ends]
    recall = hits / hits[-1]
    chosen = np.unique(np.searchsorted(recall, np.linspace(recall[0], 1.0, POINTS)))
    columns = {
        "recall": recall[chosen],
        "precision": (hits / (ends + 1))[chosen],
        "threshold": scores[order][ends][chosen],
    }
    return {name: [round(float(v), 6) for v in values] for name, values in columns.items()}


def calibration(task: Task, probabilities: Floats) -> list[dict[str, float | int | None]] | None:
    """In ten bins of the positive class's probability, what was foretold and what came true."""
    if task.positive is None:
        return None
    foretold, came = probabilities[:, task.positive], task.truth == task.positive
    place = np.minimum((foretold * BINS).astype(np.int64), BINS - 1)
    return [_bin(k, foretold[place == k], came[place == k]) for k in range(BINS)]


def plain(value: float) -> float | None:
    """A rounded number, or None for one that JSON does not know."""
    return round(float(value), 6) if np.isfinite(value) else None


def _bin(number: int, foretold: Floats, came: NDArray[np.bool_]) -> dict[str, float | int | None]:
    rows = len(came)
    return {
        "from": number / BINS,
        "to": (number + 1) / BINS,
        "rows": rows,
        "mean_probability": plain(foretold.mean()) if rows else None,
        "share_positive": plain(came.mean()) if rows else None,
    }


def _draws(rows: int, resamples: int, seed: int, classes: int) -> Iterator[Floats]:
    """Weights (draws, rows), some draws at a time: first the rows as they are, then resamples."""
    yield np.ones((1, rows))
    left = max(LEAST_RESAMPLES, min(resamples, WORK // (rows * classes)))
    random = np.random.default_rng(seed)
    while left > 0:
        size = min(left, max(1, CELLS // rows))
        picks = random.integers(0, rows, size=(size, rows))
        yield np.stack([np.bincount(pick, minlength=rows) for pick in picks]).astype(np.float64)
        left -= size


def _measure(task: Task, probabilities: Floats, weights: Floats) -> Floats:
    """All metrics (metrics, draws) in the order of `METRICS`."""
    rankings = [_ranking(task.truth == k, probabilities[:, k], weights) for k in task.ranked]
    none = np.full((2, len(weights)), np.nan)
    ranked = np.mean(rankings, axis=0) if rankings else none
    losses = _losses(task, probabilities, weights)
    return np.concatenate([ranked, _decisions(task, probabilities, weights), losses])


def _ranking(truth: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    """Average precision and area under the ROC curve (2, draws); equal scores count as one."""
    order, ends = _order(scores)
    drawn = weights[:, order]
    found = np.cumsum(drawn * truth[order], axis=1)[:, ends]
    false = np.cumsum(drawn, axis=1)[:, ends] - found
    rise, run = np.diff(found, prepend=0, axis=1), np.diff(false, prepend=0, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(found > 0, found / (found + false), 0)
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
    """Balanced accuracy, accuracy, precision, recall and F1 (5, draws) of the likeliest class."""
    from scipy import sparse

    rows, k = len(task.truth), task.classes
    pairs = task.truth * k + probabilities.argmax(axis=1)
    cells = sparse.csr_matrix((np.ones(rows), (pairs, np.arange(rows))), shape=(k * k, rows))
    counts = (cells @ weights.T).T.reshape(-1, k, k)
    right, true, said = np.einsum("dkk->dk", counts), counts.sum(axis=2), counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = right / true
        precision = np.where(said > 0, right / said, 0.0)
        f1 = np.where(true > 0, 2 * right / (true + said), np.nan)
    seen = np.unique(task.truth)
    asked = seen if task.positive is None else [task.positive]
    shown = [metric[:, asked].mean(axis=1) for metric in (precision, recall, f1)]
    return np.stack([recall[:, seen].mean(axis=1), right.sum(axis=1) / rows, *shown])


def _losses(task: Task, probabilities: Floats, weights: Floats) -> Floats:
    """Log loss and Brier score (2, draws)."""
    rows = np.arange(len(task.truth))
    sure = np.maximum(probabilities[rows, task.truth], np.finfo(np.float64).eps)
    errors = probabilities.copy()
    errors[rows, task.truth] -= 1
    losses = np.stack([-np.log(sure), np.square(errors).sum(axis=1) / 2])
    return np.asarray(losses @ weights.T / len(rows))
