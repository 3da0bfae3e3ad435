"""Calibration: probabilities that come true as often as they say, in the order that they had.

A calibrator is learnt from probabilities of rows that the model did not see. With two classes it
is one increasing curve for the second class; with more there is a curve for each class against
all the others, and the results are scaled to a sum of 1 (Zadrozny and Elkan 2002).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from fusemine.tasks.core.pack.trusted import storable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats, Target

Flags: TypeAlias = "NDArray[np.bool_]"
Kind: TypeAlias = Literal["platt", "isotonic", "none"]
ISOTONIC_ROWS = 1000
"""Rows of the rarest class from which on a curve of any shape is learnt."""
FAR = 10.0
"""Log-odds from which on scores are drawn together, at a probability of 0.00005 or 0.99995."""
MIN_SLOPE = 1e-3
"""The least slope of Platt's sigmoid, so that scores without information keep their order too."""


@storable
@dataclass(frozen=True)
class Calibrator:
    """Fitted curves from a probability to a calibrated one."""

    kind: Kind
    curves: tuple[Floats | None, ...]
    """Platt's (slope, offset), or isotonic knots (2, k), of the second of two classes or of each
    of more; none at all, or None for a class, leaves probabilities as they are."""

    def apply(self, probabilities: Floats) -> Floats:
        """Calibrated probabilities (n, classes) of any rows; each row of sum 1 stays so."""
        if all(curve is None for curve in self.curves):
            return probabilities
        if len(self.curves) == 1:
            second = self._calibrated(probabilities[:, 1], self.curves[0])
            return np.stack([1 - second, second], axis=1)
        columns = zip(probabilities.T, self.curves, strict=True)
        each = np.stack([self._calibrated(scores, curve) for scores, curve in columns], axis=1)
        # One curve per class does not keep the sum of 1, so it is restored.
        total = each.sum(axis=1, keepdims=True)
        return np.where(total > 0, each / np.where(total > 0, total, 1), probabilities)

    def _calibrated(self, scores: Floats, curve: Floats | None) -> Floats:
        if curve is None:
            return scores
        if self.kind == "isotonic":
            return np.asarray(np.interp(scores, curve[0], curve[1]))
        from scipy.special import expit

        return np.asarray(expit(_compressed(curve[0] * _log_odds(scores) + curve[1])))


def choose_kind(wanted: Literal["auto", "platt", "isotonic", "none"], target: Target) -> Kind:
    """The kind of calibration that the settings want; numbers have none.

    `auto` is isotonic where each class has 1,000 of these rows or more, and otherwise Platt's.
    """
    if target.is_number:
        return "none"
    if wanted != "auto":
        return wanted
    return "isotonic" if _counts(target).min() >= ISOTONIC_ROWS else "platt"


def fit_calibrator(probabilities: Floats, target: Target, kind: Kind) -> Calibrator:
    """Learn how often probabilities come true.

    `platt` is a sigmoid of the log-odds whose targets are corrected for the number of rows (Platt
    1999), here always increasing. `isotonic` is centred isotonic regression (Oron and Flournoy
    2017): lines between the centres of the blocks, so that no two scores become equal; one
    further positive row at the lowest score and one negative at the highest keep it from 0 and 1.
    A class that these rows lack, or that all of them are of, keeps its probabilities.

    Args:
        probabilities: Of each class (n, classes), by models that did not see these rows.
        target: Their classes; with numbers nothing is learnt.
        kind: The shape of the curves.
    """
    if kind == "none" or target.is_number:
        return Calibrator("none", ())
    fit = _fit_platt if kind == "platt" else _fit_isotonic
    counts = _counts(target)
    classes = [1] if target.classes == 2 else range(target.classes)
    curves = [
        fit(probabilities[:, k], target.values == k) if 0 < counts[k] < len(target) else None
        for k in classes
    ]
    return Calibrator(kind, tuple(curves))


def calibrate_out_of_fold(
    probabilities: Floats, target: Target, fold: NDArray[np.int64], kind: Kind
) -> Floats:
    """Calibrated probabilities (n, classes), each fold's by a calibrator of the other folds.

    So no row's own class has a part in its probability. Order is kept within a fold, not between
    folds.

    Args:
        probabilities: Of each class (n, classes), predicted out of fold.
        target: The classes of the rows.
        fold: The fold of each row (n,).
        kind: The shape of the curves.
    """
    result = probabilities.copy()
    for part in np.unique(fold):
        held = fold == part
        calibrator = fit_calibrator(probabilities[~held], target.take(~held), kind)
        result[held] = calibrator.apply(probabilities[held])
    return result


def _counts(target: Target) -> NDArray[np.intp]:
    return np.bincount(target.values, minlength=target.classes)


def _log_odds(scores: Floats) -> Floats:
    from scipy.special import logit

    inside = np.clip(scores, np.finfo(np.float64).tiny, np.nextafter(1.0, 0.0))
    return _compressed(logit(inside))


def _compressed(log_odds: Floats) -> Floats:
    """Log-odds of which far ones grow with the logarithm only.

    So a probability of 0 or 1 is a finite claim, and not made equal to one that is nearly so.
    """
    beyond = np.maximum(np.abs(log_odds) - FAR, 0.0)
    return np.asarray(np.sign(log_odds) * (np.abs(log_odds) - beyond + np.log1p(beyond)))


def _fit_platt(scores: Floats, positive: Flags) -> Floats:
    """Slope and offset (2,) of the greatest likelihood."""
    from scipy.optimize import minimize
    from scipy.special import expit

    odds = _log_odds(scores)
    hits = np.count_nonzero(positive)
    # Targets slightly within 0 and 1, as if one more row of each class had been seen.
    goals = np.where(positive, (hits + 1) / (hits + 2), 1 / (len(positive) - hits + 2))

    def loss(line: Floats) -> tuple[float, Floats]:
        at = line[0] * odds + line[1]
        errors = expit(at) - goals
        value = np.mean(np.logaddexp(0.0, at) - goals * at)
        return float(value), np.array([np.mean(errors * odds), np.mean(errors)])

    # A slope of 0 or below would merge or reverse scores.
    bounds = [(MIN_SLOPE, None), (None, None)]
    exact = {"ftol": 1e-14, "gtol": 1e-9}
    found = minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds, options=exact)
    return np.asarray(found.x)


def _fit_isotonic(scores: Floats, positive: Flags) -> Floats:
    """Knots (2, k): scores, increasing from 0 to 1, and the probability at each."""
    from sklearn.isotonic import IsotonicRegression

    xs = np.append(scores, [scores.min(), scores.max()])
    # Scores that differ by rounding alone are one to it, so the last can be out of its bounds.
    isotonic = IsotonicRegression(out_of_bounds="clip")
    fitted = isotonic.fit_transform(xs, np.append(positive, [True, False]))
    # Blocks whose means differ by rounding alone are one.
    shares, block = np.unique(np.round(fitted, 12), return_inverse=True)
    centres = np.bincount(block, weights=xs) / np.bincount(block)
    # Beyond the outer centres the curve goes half of the way to 0 and 1.
    knots, first = np.unique(np.append(centres, [0.0, 1.0]), return_index=True)
    return np.stack([knots, np.append(shares, [shares[0] / 2, (1 + shares[-1]) / 2])[first]])
