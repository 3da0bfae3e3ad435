"""Rows whose label is probably wrong, by predictions of models that did not learn from them.

Classes by confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating
uncertainty in dataset labels", JAIR 70): the rows of each class that models are sure belong to
another one are counted, and as many rows are taken, those first that least look like their class
("prune by class"). Numbers by how far they are from their prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats, Target

MIN_ROWS = 20
LIMIT = 3.5
"""Residuals of so many robust standard deviations are outliers (Iglewicz and Hoaglin 1993)."""
PER_MEDIAN, PER_MEAN = 1.4826, 1.2533
"""Standard deviations of a normal distribution per median, and per mean, absolute deviation."""


@dataclass(frozen=True)
class LabelErrors:
    """The m likeliest label errors of n rows, the likeliest first."""

    positions: NDArray[np.int64]
    """(m,) places among the rows."""
    suggested: NDArray[Any]
    """(m,) what the label may be instead: int64 classes, or float64 numbers."""
    scores: Floats
    """(m,) from 0 to 1, falling: how little supports the label."""
    estimated: int
    """Label errors among all n rows by estimate, which counts rows that are merely hard to tell
    too: rather too many than too few."""

    def __len__(self) -> int:
        return len(self.positions)


def find_label_errors(target: Target, predicted: Floats) -> LabelErrors:
    """The likeliest label errors of any label.

    Args:
        target: The label of n rows, all of them labelled.
        predicted: Predictions of models that had not seen the row, (n, `target.outputs`).
    """
    if target.is_number:
        return find_number_errors(predicted.ravel(), target.values)
    return find_class_errors(predicted, target.values)


def find_class_errors(probabilities: Floats, codes: NDArray[np.int64]) -> LabelErrors:
    """The likeliest label errors among classes; none of fewer than 20 rows or of one class.

    A row's score is 1 less its self-confidence, the probability of its own class, divided by the
    mean self-confidence of that class: a rare class is predicted with smaller probabilities
    throughout. The suggestion is the likeliest of the other classes.

    Args:
        probabilities: Out-of-fold probabilities (n, classes).
        codes: Class of each row (n,).
    """
    if len(codes) < MIN_ROWS or len(np.unique(codes)) < 2:
        return _none(np.int64)
    own = probabilities[np.arange(len(codes)), codes]
    counts = np.bincount(codes, minlength=probabilities.shape[1])
    sums = np.bincount(codes, weights=own, minlength=len(counts))
    # The mean self-confidence of each class; a class without rows is never reached.
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    joint = confident_joint(probabilities, codes, thresholds)
    sure = joint.sum(axis=1)
    share = (sure - joint.diagonal()) / np.maximum(sure, 1)
    # The joint counts only some rows, so each class is scaled back to all of its own.
    wrong = np.rint(share * counts).astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(own > 0, own / thresholds[codes], 0.0)
    order = np.argsort(relative, kind="stable")
    first = [np.flatnonzero(codes[order] == k)[:n] for k, n in enumerate(wrong)]
    positions = order[np.sort(np.concatenate(first))]
    # The suggestion is the likeliest class besides the row's own.
    others = probabilities[positions]
    others[np.arange(len(positions)), codes[positions]] = -1
    scores = np.clip(1 - relative[positions], 0, 1)
    return LabelErrors(positions, others.argmax(axis=1), scores, int(wrong.sum()))


def find_number_errors(predicted: Floats, values: Floats) -> LabelErrors:
    """The likeliest errors among numbers: residuals of more than 3.5 robust standard deviations.

    A row's score is z / (z + 3.5) for a residual of z of them; the suggestion is the prediction.
    The estimate leaves out the share of a normal distribution that is as far out.

    Args:
        predicted: Out-of-fold predictions (n,).
        values: The labels (n,).
    """
    from scipy.stats import norm

    if len(values) < MIN_ROWS:
        return _none(np.float64)
    residuals = values - predicted
    apart = np.abs(residuals - np.median(residuals))
    # Where most numbers are predicted exactly the median deviation is 0, and the mean serves.
    spread = float(PER_MEDIAN * np.median(apart)) or float(PER_MEAN * apart.mean())
    if spread <= 0:
        return _none(np.float64)
    # Median and median deviation, because mean and deviation would be moved by the errors.
    z = apart / spread
    order = np.argsort(-z, kind="stable")
    positions = order[z[order] > LIMIT]
    expected = len(values) * 2 * float(norm.sf(LIMIT))
    scores = z[positions] / (z[positions] + LIMIT)
    estimated = max(0, round(len(positions) - expected))
    return LabelErrors(positions, predicted[positions].astype(np.float64), scores, estimated)


def confident_joint(
    probabilities: Floats, codes: NDArray[np.int64], thresholds: Floats
) -> NDArray[np.int64]:
    """Rows by their label (first index) and the class that models are sure of (second).

    Models are sure of a class if its probability reaches the class's threshold; of several the
    likeliest, and of none the row does not count.

    Args:
        probabilities: Out-of-fold probabilities (n, classes).
        codes: Class of each row (n,).
        thresholds: The mean self-confidence of each class (classes,).

    >>> sure, unsure = [0.1, 0.9], [0.6, 0.4]
    >>> confident_joint(np.array([sure, unsure]), np.array([0, 1]), np.array([0.8, 0.8])).tolist()
    [[0, 1], [0, 0]]
    """
    classes = len(thresholds)
    sure = probabilities >= thresholds
    seen = sure.any(axis=1)
    guess = np.where(sure, probabilities, -1.0).argmax(axis=1)
    # A pair of classes is one number, so that one count gives the whole matrix.
    pairs = (codes * classes + guess)[seen]
    counts = np.bincount(pairs, minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.int64)


def _none(dtype: Any) -> LabelErrors:
    return LabelErrors(np.empty(0, np.int64), np.empty(0, dtype), np.empty(0), 0)
