"""Which class a row is called: thresholds from costs or a precision, and rows left undecided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.settings import Decision

Floats: TypeAlias = "NDArray[np.float64]"
Flags: TypeAlias = "NDArray[np.bool_]"


@dataclass(frozen=True)
class Threshold:
    """From which probability on a row is called positive."""

    value: float
    """Above 1 if no row is to be called positive."""
    said: str
    """How it was chosen, as sentences."""


@dataclass(frozen=True)
class _Ladder:
    """What calling every row positive from a score on would do, from the highest score down."""

    scores: Floats
    """The distinct probabilities (m,)."""
    said: Floats
    """Rows that are called positive from each of them on (m,)."""
    right: Floats
    """Those of them that are (m,)."""


def threshold(decision: Decision, probabilities: Floats, truth: Flags) -> Threshold:
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
        value = _balance(decision)
        return Threshold(value, f"{_from(value)}: there were not rows of both classes to try it.")
    ladder = _climb(probabilities, truth)
    by = _by_costs if decision.precision is None else _by_precision
    return by(decision, ladder, float(np.count_nonzero(truth)))


def called(
    probabilities: Floats, positive: int | None, threshold: float | None
) -> NDArray[np.int64]:
    """The class (n,) that each row of probabilities (n, classes) is called.

    It is the positive class from the threshold on and below it the likeliest of the others;
    without positive class or threshold it is the likeliest of all, the first one of equals.
    """
    if positive is None or threshold is None:
        return np.asarray(probabilities.argmax(axis=1))
    others = probabilities.copy()
    others[:, positive] = -1.0
    calls = np.where(probabilities[:, positive] >= threshold, positive, others.argmax(axis=1))
    return np.asarray(calls)


def decided(
    probabilities: Floats,
    names: Sequence[str],
    positive: int | None = None,
    threshold: float | None = None,
    abstain: float | None = None,
) -> list[str | None]:
    """The name of the class that each row is called, None where the model abstains.

    Args:
        probabilities: Of each class (n, classes).
        names: The classes.
        positive: The class that the threshold is of.
        threshold: The probability from which on a row is called positive.
        abstain: Rows whose likeliest class is less probable than this are left undecided,
            whatever they would be called.
    """
    codes = called(probabilities, positive, threshold)
    sure = probabilities.max(axis=1, initial=0.0) >= (abstain or 0.0)
    return [names[k] if known else None for k, known in zip(codes, sure, strict=True)]


def coverage(truth: Sequence[str], said: Sequence[str | None]) -> dict[str, Any]:
    """How many rows were decided and how many of these rightly, JSON-ready.

    Returns:
        `rows`, `decided`, the `share` decided, and the `accuracy` on those; None without rows.
    """
    right = [name == true for name, true in zip(said, truth, strict=True) if name is not None]
    return {
        "rows": len(said),
        "decided": len(right),
        "share": round(len(right) / len(said), 6) if said else None,
        "accuracy": round(sum(right) / len(right), 6) if right else None,
    }


def _balance(decision: Decision) -> float:
    """The probability at which both mistakes cost the same; one half without costs."""
    wrong, missed = decision.false_positive or 1.0, decision.false_negative or 1.0
    return wrong / (wrong + missed)


def _climb(probabilities: Floats, truth: Flags) -> _Ladder:
    scores, place = np.unique(probabilities, return_inverse=True)
    rows = np.bincount(place)[::-1].cumsum().astype(np.float64)
    right = np.bincount(place, weights=truth)[::-1].cumsum()
    return _Ladder(scores[::-1], rows, right)


def _by_costs(decision: Decision, ladder: _Ladder, positives: float) -> Threshold:
    wrong_cost, missed_cost = decision.false_positive or 1.0, decision.false_negative or 1.0
    wrong = np.append(0.0, ladder.said - ladder.right)
    missed = positives - np.append(0.0, ladder.right)
    costs = wrong * wrong_cost + missed * missed_cost
    even = _balance(decision)
    cuts = _cuts(ladder.scores, even)
    # Sums of costs that differ by rounding alone are equal.
    best = np.flatnonzero(costs <= costs.min() * (1 + 1e-12))
    least = best[np.argmin(np.abs(cuts[best] - even))]
    value = float(cuts[least])
    half = costs[np.count_nonzero(ladder.scores >= 0.5)]
    return Threshold(
        value,
        f"{_from(value)}: on the training rows, predicted out of fold, that costs least, "
        f"{costs[least]:.6g} for {wrong[least]:.0f} false alarms and {missed[least]:.0f} misses; "
        f"one half would cost {half:.6g}.",
    )


def _cuts(scores: Floats, even: float) -> Floats:
    """A threshold above all of m scores, between each two and below all of them (m + 1,)."""
    top = max(1.0, float(np.nextafter(scores[0], 2.0)))
    above, below = np.append(top, scores), np.append(scores, 0.0)
    middle = (above + below) / 2
    # The middle of neighbouring numbers is one of them.
    cuts = np.where(middle > below, middle, above)
    return np.where((below < even) & (even <= above), even, cuts)


def _by_precision(decision: Decision, ladder: _Ladder, positives: float) -> Threshold:
    asked = decision.precision or 0.0
    precision = ladder.right / ladder.said
    enough = np.flatnonzero(precision >= asked)
    best = np.flatnonzero(precision == precision.max())
    chosen = (enough if len(enough) else best)[-1]
    value = float(ladder.scores[chosen])
    reached = (
        f"{precision[chosen]:.1%} of the training rows called positive are, predicted out of "
        f"fold, and {ladder.right[chosen] / positives:.1%} of the positive rows are found."
    )
    if len(enough):
        return Threshold(value, f"{_from(value)}: {reached}")
    why = f"No threshold reaches a precision of {asked:.1%}, so the most precise one is taken."
    return Threshold(value, f"{why} {_from(value)}: {reached}")


def _from(value: float) -> str:
    if value > 1:
        return "No row is called positive"
    return f"A row is called positive from a probability of {value:.3g} on"
