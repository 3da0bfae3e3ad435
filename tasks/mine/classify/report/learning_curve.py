"""Whether more rows would help: the leading metric over the number of training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.mine.classify.report.metrics import (
    LOWER,
    change_words,
    leading,
    metric_name,
    read_estimate,
)
from fusemine.tasks.mine.classify.report.model import Estimate, Learning
from fusemine.tasks.report.charts.scale import drawable
from fusemine.tasks.report.words import count, known

if TYPE_CHECKING:
    from fusemine.tasks.report.model import Summary

POINTS, SMALL = 12, 0.25
"""A change of less than this part of half the interval counts as none."""


def learning(summary: Summary) -> Learning | None:
    """The section; None of fewer than two sizes."""
    metric = leading(summary)
    found = [
        (int(point["rows"]), read_estimate(point, metric))
        for point in (summary.get("learning_curve") or [])[:POINTS]
        if known(point.get("rows")) and point["rows"] > 0 and drawable(point.get(metric))
    ]
    points = sorted(found, key=lambda pair: pair[0])
    if len({rows for rows, _ in points}) < 2:
        return None
    return Learning(_lead(points, metric), metric_name(metric), points)


def _lead(points: list[tuple[int, Estimate]], metric: str) -> str:
    (before, old), (after, new) = points[-2:]
    change = (new.value or 0.0) - (old.value or 0.0)
    better = -change if metric in LOWER else change
    name, step = metric_name(metric), f"from {count(before)} to {count(after)} training rows"
    went = f"{step} the {name} went from {old.said} to {new.said}"
    if old.low is None or old.high is None:
        return f"{step[0].upper()}{step[1:]} the {name} changed by {change_words(change, metric)}."
    if better <= SMALL * (old.high - old.low) / 2:
        return f"It has levelled off: {went}, hardly anything beside its interval ({old.bounds})."
    beyond = (new.value or 0.0) < old.low if metric in LOWER else (new.value or 0.0) > old.high
    if beyond:
        return f"More rows would still help: {went}, beyond the interval before ({old.bounds})."
    return (
        f"More rows may still help: {went}, which is within the interval before ({old.bounds}), "
        "so these test rows alone do not settle it."
    )
