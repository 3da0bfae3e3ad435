"""Which class a row is predicted as: thresholds from costs or a precision, and abstaining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.settings import Decision
    from fusemine.tasks.stats.target import Floats


@dataclass(frozen=True)
class Threshold:
    """From which probability on a row is called positive."""

    value: float
    """Above 1 if no row is to be called positive."""
    description: str
    """How it was chosen, as sentences."""


def choose_threshold(
    decision: Decision, probabilities: Floats, truth: NDArray[np.bool_]
) -> Threshold:
    """The threshold that serves the decision best on rows that the model did not see.

    From costs it is the one that cost least on these rows; where several did, and within the gap
    between two rows, it is as near as can be to false_positive / (false_positive +
    false_negative), which is best if probabilities are calibrated (Elkan 2001). From a precision
    it is the lowest probability from which on that precision was reached, and where none was, the
    one from which on it was highest.

    Args:
        decision: Both costs, or a precision.
        probabilities: Of the positive class (n,), predicted out of fold.
        truth: Whether each row is positive (n,).
    """
    if not 0 < np.count_nonzero(truth) < len(truth):
        value = _break_even(decision)
        return Threshold(value, f"{_from(value)}: there were not rows of both classes to try it.")
    # Rows of one score are called together, so only distinct scores are tried: from the highest
    # one down, how many rows are then called positive, and how many of them are.
    scores, place = np.unique(probabilities, return_inverse=True)
    called = np.bincount(place)[::-1].cumsum().astype(np.float64)
    right = np.bincount(place, weights=truth)[::-1].cumsum()
    if decision.precision is None:
        return _by_costs(decision, scores[::-1], called, right)
    return _by_precision(decision.precision, scores[::-1], called, right)


def predict_classes(
    probabilities: Floats, positive: int | None, threshold: float | None
) -> NDArray[np.int64]:
    """The class (n,) that each row of probabilities (n, classes) is predicted as.

    It is the positive class from the threshold on and below it the likeliest of the others;
    without positive class or threshold it is the likeliest of all, the first one of equals.

    Args:
        probabilities: Of each class (n, classes).
        positive: The class that the threshold is of.
        threshold: From which probability on a row is called positive.

    >>> predict_classes(np.array([[0.6, 0.4], [0.8, 0.2]]), positive=1, threshold=0.3).tolist()
    [1, 0]
    """
    if positive is None or threshold is None:
        return np.asarray(probabilities.argmax(axis=1))
    others = probabilities.copy()
    others[:, positive] = -1.0
    is_positive = probabilities[:, positive] >= threshold
    return np.asarray(np.where(is_positive, positive, others.argmax(axis=1)))


def predict_names(
    probabilities: Floats,
    names: Sequence[str],
    positive: int | None = None,
    threshold: float | None = None,
    abstain: float | None = None,
) -> list[str | None]:
    """The name of the class that each row is predicted as, None where the model abstains.

    Args:
        probabilities: Of each class (n, classes).
        names: The classes.
        positive: The class that the threshold is of.
        threshold: The probability from which on a row is called positive.
        abstain: Rows whose likeliest class is less probable than this are left undecided,
            whatever they would be called.
    """
    codes = predict_classes(probabilities, positive, threshold)
    sure = probabilities.max(axis=1, initial=0.0) >= (abstain or 0.0)
    return [names[k] if known else None for k, known in zip(codes, sure, strict=True)]


def coverage(truth: Sequence[str], predicted: Sequence[str | None]) -> dict[str, Any]:
    """How many rows were decided and how many of these correctly, JSON-ready.

    Returns:
        `rows`, `decided`, the `share` decided, and the `accuracy` on those; None without rows.
    """
    right = [name == true for name, true in zip(predicted, truth, strict=True) if name is not None]
    return {
        "rows": len(predicted),
        "decided": len(right),
        "share": round(len(right) / len(predicted), 6) if predicted else None,
        "accuracy": round(sum(right) / len(right), 6) if right else None,
    }


def _break_even(decision: Decision) -> float:
    """The probability at which both mistakes cost the same; one half without costs."""
    wrong, missed = decision.false_positive or 1.0, decision.false_negative or 1.0
    return wrong / (wrong + missed)


def _by_costs(decision: Decision, scores: Floats, called: Floats, right: Floats) -> Threshold:
    # The first entry is the outcome of calling no row positive.
    false_alarms = np.append(0.0, called - right)
    misses = right[-1] - np.append(0.0, right)
    costs = false_alarms * (decision.false_positive or 1.0)
    costs = costs + misses * (decision.false_negative or 1.0)
    even = _break_even(decision)
    cuts = _cuts(scores, even)
    # Sums of costs that differ by rounding alone are equal.
    best = np.flatnonzero(costs <= costs.min() * (1 + 1e-12))
    least = best[np.argmin(np.abs(cuts[best] - even))]
    value = float(cuts[least])
    half = costs[np.count_nonzero(scores >= 0.5)]
    return Threshold(
        value,
        f"{_from(value)}: on the training rows, predicted out of fold, that costs least, "
        f"{costs[least]:.6g} for {false_alarms[least]:.0f} false alarms and {misses[least]:.0f} "
        f"misses; one half would cost {half:.6g}.",
    )


def _cuts(scores: Floats, even: float) -> Floats:
    """A threshold above all of m scores, between each two and below all of them (m + 1,)."""
    top = max(1.0, float(np.nextafter(scores[0], 2.0)))
    above, below = np.append(top, scores), np.append(scores, 0.0)
    middle = (above + below) / 2
    # The middle of neighbouring numbers is one of them.
    cuts = np.where(middle > below, middle, above)
    return np.where((below < even) & (even <= above), even, cuts)


def _by_precision(wanted: float, scores: Floats, called: Floats, right: Floats) -> Threshold:
    precision = right / called
    enough = np.flatnonzero(precision >= wanted)
    best = np.flatnonzero(precision == precision.max())
    chosen = (enough if len(enough) else best)[-1]
    value = float(scores[chosen])
    reached = (
        f"{_from(value)}: {precision[chosen]:.1%} of the training rows called positive are, "
        f"predicted out of fold, and {right[chosen] / right[-1]:.1%} of the positive "
        "rows are found."
    )
    if len(enough):
        return Threshold(value, reached)
    why = f"No threshold reaches a precision of {wanted:.1%}, so the most precise one is taken."
    return Threshold(value, f"{why} {reached}")


def _from(value: float) -> str:
    if value > 1:
        return "No row is called positive"
    return f"A row is called positive from a probability of {value:.3g} on"
