"""Right and wrong on the test rows, and whether more training rows would help."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.classify.report.metrics import (
    LOWER,
    SUBJECTS,
    chance,
    change_text,
    estimate,
    leading,
    main_view,
    metric_name,
    read_estimate,
)
from fusemine.tasks.mine.classify.report.model import Bin, Confusion, LearningCurve, Quality
from fusemine.tasks.report.charts.scale import drawable
from fusemine.tasks.report.words import amount, capital, count, cut, known, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.mine.classify.report.model import Estimate
    from fusemine.tasks.report.model import Summary

CLASSES, CURVE_POINTS, SPREAD_POINTS, SIZES = 10, 160, 600, 12
SMALL = 0.25
"""A change of less than this part of half the interval counts as none."""


def quality(summary: Summary) -> Quality | None:
    """The section; None where there is nothing to show."""
    main = main_view(summary)
    found = Quality(
        lead=_lead(summary),
        of=SUBJECTS.get(main, (cut(main, 40), ""))[0],
        confusion=_confusion(summary.get("confusion")),
        curve=_curve(summary.get("curve")),
        called=_called(summary),
        base_rate=chance(summary),
        calibration=_calibration(summary.get("calibration")),
        spread=_spread(summary.get("spread")),
    )
    shown = found.confusion or found.curve or found.calibration or found.spread
    return found if shown else None


def _lead(summary: Summary) -> str:
    points = _spread(summary.get("spread"))
    if points:
        middle = median(abs(predicted - true) for predicted, true in points)
        return f"Half of the test rows are predicted with an error of {amount(middle)} or less."
    matrix = summary.get("confusion") or {}
    labels, rows = matrix.get("labels") or [], matrix.get("rows") or []
    if not labels or not any(map(sum, rows)):
        return ""
    positive = summary.get("positive")
    if positive in labels:
        return _of_two(labels.index(positive), rows)
    return _of_many(labels, rows)


def _of_two(k: int, rows: Sequence[Sequence[int]]) -> str:
    found, called, true = rows[k][k], sum(row[k] for row in rows), sum(rows[k])
    if not true:
        return f"No test row is positive; {count(called)} are called so."
    lead = f"{count(found)} of {count(true)} positive rows are found ({percent(found / true)})"
    if not called:
        return f"{lead}: no row is called positive."
    right = percent(found / called)
    return f"{lead}; of {count(called)} rows that are called positive, {right} are."


def _of_many(labels: Sequence[str], rows: Sequence[Sequence[int]]) -> str:
    total, right = sum(map(sum, rows)), sum(row[k] for k, row in enumerate(rows))
    lead = f"{percent(right / total)} of {count(total)} test rows are predicted correctly"
    wrong = [(n, i, k) for i, row in enumerate(rows) for k, n in enumerate(row) if i != k and n]
    if not wrong:
        return f"{lead}."
    most, true, taken = max(wrong, key=lambda one: (one[0], -one[1], -one[2]))
    names = cut(labels[true], 40), cut(labels[taken], 40)
    return f"{lead}; most often “{names[0]}” is taken for “{names[1]}” ({count(most)} rows)."


def _confusion(matrix: Mapping[str, Any] | None) -> Confusion | None:
    """The matrix; of many classes those with most rows, and the others added up as the last."""
    if not matrix or not matrix.get("labels"):
        return None
    labels, rows = [cut(name, 40) for name in matrix["labels"]], matrix["rows"]
    if len(labels) <= CLASSES:
        return Confusion(labels, [[int(n) for n in row] for row in rows])
    order = sorted(range(len(labels)), key=lambda i: -sum(rows[i]))
    place = {i: min(p, CLASSES - 1) for p, i in enumerate(order)}
    folded = [[0] * CLASSES for _ in range(CLASSES)]
    for truth, row in enumerate(rows):
        for guess, n in enumerate(row):
            folded[place[truth]][place[guess]] += int(n)
    names = [labels[i] for i in order[: CLASSES - 1]]
    return Confusion([*names, f"{count(len(labels) - CLASSES + 1)} others"], folded)


def _curve(curve: Mapping[str, Any] | None) -> list[tuple[float, float]]:
    points = [(float(r), float(p)) for r, p in _pairs(curve, "recall", "precision")]
    step = max(1, len(points) // CURVE_POINTS)
    return points[::step] + (points[-1:] if (len(points) - 1) % step else [])


def _pairs(columns: Mapping[str, Any] | None, *names: str) -> list[tuple[Any, Any]]:
    """Two columns side by side, as far as both are known."""
    first, second = ((columns or {}).get(name) or [] for name in names)
    return [(a, b) for a, b in zip(first, second, strict=False) if known(a) and known(b)]


def _called(summary: Summary) -> tuple[float, float] | None:
    """Recall and precision of the rows that are called positive, where any is."""
    view = main_view(summary)
    found = estimate(summary, view, "recall").value, estimate(summary, view, "precision").value
    if summary.get("positive") is None or not found[0] or found[1] is None:
        return None
    return found[0], found[1]


def _calibration(bins: Sequence[Mapping[str, Any]] | None) -> list[Bin]:
    return [
        Bin(float(b["mean_probability"]), float(b["share_positive"]), int(b["rows"]))
        for b in (bins or [])[:50]
        if known(b.get("mean_probability")) and known(b.get("share_positive"))
    ]


def _spread(spread: Mapping[str, Any] | None) -> list[tuple[float, float]]:
    pairs = _pairs(spread, "predicted", "true")[:SPREAD_POINTS]
    return [(float(p), float(t)) for p, t in pairs if drawable(p) and drawable(t)]


def learning_curve(summary: Summary) -> LearningCurve | None:
    """The leading metric over the number of training rows; None of fewer than two sizes."""
    metric = leading(summary)
    found = [
        (int(point["rows"]), read_estimate(point, metric))
        for point in (summary.get("learning_curve") or [])[:SIZES]
        if known(point.get("rows")) and point["rows"] > 0 and drawable(point.get(metric))
    ]
    points = sorted(found, key=lambda pair: pair[0])
    if len({rows for rows, _ in points}) < 2:
        return None
    return LearningCurve(_growth(points, metric), metric_name(metric), points)


def _growth(points: list[tuple[int, Estimate]], metric: str) -> str:
    """Whether the last step brought more than its interval allows by chance."""
    (before, old), (after, new) = points[-2:]
    sign = -1.0 if metric in LOWER else 1.0
    change = (new.value or 0.0) - (old.value or 0.0)
    name, step = metric_name(metric), f"from {count(before)} to {count(after)} training rows"
    if old.low is None or old.high is None:
        return f"{capital(step)} the {name} changed by {change_text(change, metric)}."
    went = f"{step} the {name} went from {old.text} to {new.text}"
    if sign * change <= SMALL * (old.high - old.low) / 2:
        return f"It has levelled off: {went}, hardly anything beside its interval ({old.bounds})."
    best = old.low if metric in LOWER else old.high
    if sign * (new.value or 0.0) > sign * best:
        return f"More rows would still help: {went}, beyond the interval before ({old.bounds})."
    return (
        f"More rows may still help: {went}, which is within the interval before ({old.bounds}), "
        "so these test rows alone do not settle it."
    )
