"""Rows whose label is probably wrong, by what models say of them that did not learn from them.

Classes by confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating
uncertainty in dataset labels", JAIR 70): the rows of each class that models are sure belong to
another one are counted, and as many rows are taken, those first that least look like their class
("prune by class"). Numbers by how far they are from what was foretold of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats, Target

LEAST_ROWS = 20
LIMIT = 3.5
"""Residuals of so many robust standard deviations are outliers (Iglewicz and Hoaglin 1993)."""
SPREAD, MEAN_SPREAD = 1.4826, 1.2533
"""Standard deviations of a normal distribution per median, and per mean, absolute deviation."""


@dataclass(frozen=True)
class Doubts:
    """The m likeliest label errors of n rows, the likeliest first."""

    positions: NDArray[np.int64]
    """(m,) places among the rows."""
    suggested: NDArray[Any]
    """(m,) what the label may be instead: int64 classes, or float64 numbers."""
    scores: Floats
    """(m,) from 0 to 1, falling: how little is to be said for the label."""
    errors: int
    """Label errors among all n rows by estimate, which counts rows that are merely hard to tell
    too: rather too many than too few."""

    def __len__(self) -> int:
        return len(self.positions)

    def head(self, most: int) -> Doubts:
        """The first of them; the estimate stays."""
        first = slice(most)
        return Doubts(self.positions[first], self.suggested[first], self.scores[first], self.errors)


def audit(target: Target, predicted: Floats) -> Doubts:
    """The likeliest label errors of any label.

    Args:
        target: The label of n rows, all of them labelled.
        predicted: What models foretold that had not seen the row, (n, `target.outputs`).
    """
    if target.is_number:
        return audit_numbers(predicted.ravel(), target.values)
    return audit_classes(predicted, target.values)


def audit_classes(probabilities: Floats, codes: NDArray[np.int64]) -> Doubts:
    """The likeliest label errors among classes; none of fewer than 20 rows or of one class.

    A row's score is 1 less its self-confidence, the probability of its own class, divided by the
    mean self-confidence of that class: a rare class is foretold with smaller probabilities
    throughout. The suggestion is the likeliest of the other classes.

    Args:
        probabilities: Out-of-fold probabilities (n, classes).
        codes: Class of each row (n,).
    """
    if len(codes) < LEAST_ROWS or len(np.unique(codes)) < 2:
        return _none(np.int64)
    rows = np.arange(len(codes))
    own = probabilities[rows, codes]
    usual = _usual(probabilities, codes)
    wrong = _wrong_per_class(probabilities, codes, usual)
    with np.errstate(divide="ignore", invalid="ignore"):
        belief = np.where(own > 0, own / usual[codes], 0.0)
    order = np.argsort(belief, kind="stable")
    chosen = np.sort(np.concatenate([_first(order, codes, k, n) for k, n in enumerate(wrong)]))
    positions = order[chosen]
    others = probabilities[positions]
    others[np.arange(len(positions)), codes[positions]] = -1
    scores = np.clip(1 - belief[positions], 0, 1)
    return Doubts(positions, others.argmax(axis=1), scores, int(wrong.sum()))


def audit_numbers(predicted: Floats, values: Floats) -> Doubts:
    """The likeliest errors among numbers: residuals of more than 3.5 robust standard deviations.

    A row's score is z / (z + 3.5) for a residual of z of them; the suggestion is what was
    foretold. The estimate leaves out what a normal distribution has out there.

    Args:
        predicted: Out-of-fold predictions (n,).
        values: The labels (n,).
    """
    from scipy.stats import norm

    residuals = values - predicted
    spread = _spread(residuals) if len(values) >= LEAST_ROWS else 0.0
    if spread <= 0:
        return _none(np.float64)
    far = np.abs(residuals - np.median(residuals)) / spread
    order = np.argsort(-far, kind="stable")
    positions = order[far[order] > LIMIT]
    expected = len(values) * 2 * float(norm.sf(LIMIT))
    scores = far[positions] / (far[positions] + LIMIT)
    errors = max(0, round(len(positions) - expected))
    return Doubts(positions, predicted[positions].astype(np.float64), scores, errors)


def confident_joint(
    probabilities: Floats, codes: NDArray[np.int64], usual: Floats
) -> NDArray[np.int64]:
    """Rows by their label (first index) and the class that models are sure of (second).

    Models are sure of a class if its probability reaches `usual` (classes,), the mean
    self-confidence of that class; of several the likeliest, and of none the row does not count.
    """
    classes = len(usual)
    sure = probabilities >= usual
    seen = sure.any(axis=1)
    guess = np.where(sure, probabilities, -1.0).argmax(axis=1)
    pairs = (codes * classes + guess)[seen]
    counts = np.bincount(pairs, minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.int64)


def _usual(probabilities: Floats, codes: NDArray[np.int64]) -> Floats:
    """The mean self-confidence of each class; that of a class without rows is never reached."""
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(codes)), codes]
    counts = np.bincount(codes, minlength=classes)
    sums = np.bincount(codes, weights=own, minlength=classes)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def _wrong_per_class(
    probabilities: Floats, codes: NDArray[np.int64], usual: Floats
) -> NDArray[np.int64]:
    """How many rows of each class are wrongly in it, by the calibrated confident joint."""
    joint = confident_joint(probabilities, codes, usual)
    sure = joint.sum(axis=1)
    share = (sure - joint.diagonal()) / np.maximum(sure, 1)
    # The joint counts only some rows, so each class is brought back to all of its own.
    wrong = np.rint(share * np.bincount(codes, minlength=len(usual)))
    return np.asarray(wrong, dtype=np.int64)


def _first(
    order: NDArray[np.int64], codes: NDArray[np.int64], code: int, count: int
) -> NDArray[np.int64]:
    """Places in `order` of the first rows of one class."""
    return np.flatnonzero(codes[order] == code)[:count]


def _spread(residuals: Floats) -> float:
    apart = np.abs(residuals - np.median(residuals))
    # Where most numbers are foretold exactly the median deviation is 0, and the mean serves.
    return float(SPREAD * np.median(apart)) or float(MEAN_SPREAD * apart.mean())


def _none(dtype: Any) -> Doubts:
    return Doubts(np.empty(0, np.int64), np.empty(0, dtype), np.empty(0), 0)
