"""Right and wrong on the test rows: confusion, curve, calibration; of numbers the errors."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.classify.report.metrics import chance, estimate, main_view, subject
from fusemine.tasks.mine.classify.report.model import Bin, Confusion, Quality
from fusemine.tasks.report.charts.scale import drawable
from fusemine.tasks.report.words import amount, count, cut, known, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.report.model import Summary

CLASSES, CURVE_POINTS, SPREAD_POINTS = 10, 160, 600


def quality(summary: Summary) -> Quality | None:
    """The section; None where there is nothing to show."""
    found = Quality(
        lead=_lead(summary),
        of=subject(main_view(summary)),
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
        return f"Half of the test rows are foretold with an error of {amount(middle)} or less."
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
    said = f"{count(found)} of {count(true)} positive rows are found ({percent(found / true)})"
    if not called:
        return f"{said}: no row is called positive."
    right = percent(found / called)
    return f"{said}; of {count(called)} rows that are called positive, {right} are."


def _of_many(labels: Sequence[str], rows: Sequence[Sequence[int]]) -> str:
    total = sum(map(sum, rows))
    right = sum(row[k] for k, row in enumerate(rows))
    said = f"{percent(right / total)} of {count(total)} test rows are called rightly"
    wrong = [(n, i, k) for i, row in enumerate(rows) for k, n in enumerate(row) if i != k and n]
    if not wrong:
        return f"{said}."
    most, true, taken = max(wrong, key=lambda one: (one[0], -one[1], -one[2]))
    names = cut(labels[true], 40), cut(labels[taken], 40)
    return f"{said}; most often “{names[0]}” is taken for “{names[1]}” ({count(most)} rows)."


def _confusion(matrix: Mapping[str, Any] | None) -> Confusion | None:
    if not matrix or not matrix.get("labels"):
        return None
    labels, rows = [cut(name, 40) for name in matrix["labels"]], matrix["rows"]
    if len(labels) <= CLASSES:
        return Confusion(labels, [[int(n) for n in row] for row in rows])
    return _fold(labels, rows)


def _fold(labels: list[str], rows: Sequence[Sequence[int]]) -> Confusion:
    """Keep the classes with most rows and add the others up as the last class."""
    order = sorted(range(len(labels)), key=lambda i: -sum(rows[i]))
    place = {i: min(p, CLASSES - 1) for p, i in enumerate(order)}
    folded = [[0] * CLASSES for _ in range(CLASSES)]
    for truth, row in enumerate(rows):
        for guess, n in enumerate(row):
            folded[place[truth]][place[guess]] += int(n)
    others = len(labels) - CLASSES + 1
    names = [labels[i] for i in order[: CLASSES - 1]]
    return Confusion([*names, f"{count(others)} others"], folded)


def _curve(curve: Mapping[str, Any] | None) -> list[tuple[float, float]]:
    pairs = zip(
        (curve or {}).get("recall") or [], (curve or {}).get("precision") or [], strict=False
    )
    points = [(float(r), float(p)) for r, p in pairs if known(r) and known(p)]
    step = max(1, len(points) // CURVE_POINTS)
    return points[::step] + (points[-1:] if (len(points) - 1) % step else [])


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
    predicted, true = (spread or {}).get("predicted") or [], (spread or {}).get("true") or []
    pairs = list(zip(predicted, true, strict=False))[:SPREAD_POINTS]
    return [(float(p), float(t)) for p, t in pairs if drawable(p) and drawable(t)]
