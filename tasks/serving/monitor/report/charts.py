"""Charts of the models in use: a value per partition with its interval, by model."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from fusemine.tasks.report.charts.scale import Scale, drawable, scale_of
from fusemine.tasks.report.charts.series import scale_axis, scale_plot, tooltips
from fusemine.tasks.report.charts.svg import Plot, el, picture, x_axis
from fusemine.tasks.report.words import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from fusemine.tasks.mine.classify.report.model import Estimate
    from fusemine.tasks.serving.monitor.report.model import Result
    from fusemine.tasks.serving.monitor.report.performance import Performance

TURN, WIDE = 7, 4
"""Height of the mark of another model; whiskers of more than so many medians are cut off."""


def metric_chart(results: Sequence[Result], found: Performance) -> Markup:
    """The metric of each partition, and a dashed line at that on the test rows."""
    estimates = [result.metric for result in results]
    return _chart(found.name, results, estimates, found.tested.value, "chance")


def gap_chart(results: Sequence[Result]) -> Markup:
    """How much too high the predictions for each partition were, and a line at zero."""
    return _chart("too high by", results, [result.gap for result in results], 0.0, "zero")


def _chart(
    name: str,
    results: Sequence[Result],
    estimates: Sequence[Estimate],
    level: float | None,
    kind: str,
) -> Markup:
    scale = scale_of([level, *_ends(estimates)])
    plot = scale_plot(scale, height=190)
    labels = [result.partition for result in results]
    marks, turns, hints = [], [], []
    for place, (result, estimate) in enumerate(zip(results, estimates, strict=True)):
        left, each = plot.band(place, len(results))
        hints.append(_hint(result, estimate))
        if drawable(estimate.value):
            marks.append(_mark(plot, scale, estimate, result.current, left + each / 2, each))
        if result.took_over:
            ends = {"y1": plot.floor, "y2": plot.floor - TURN}
            turns.append(el("line", class_="turn", x1=left, x2=left, **ends))
    line = [plot.line(plot.y(scale.share(level or 0.0)), kind)] if drawable(level) else []
    axes = scale_axis(plot, scale), x_axis(plot, labels, most=3)
    drawn = *axes, *line, *turns, *marks, tooltips(plot, labels, hints)
    return picture(f"{name} by partition", plot.width, plot.height, *drawn)


def _ends(estimates: Sequence[Estimate]) -> list[float | None]:
    """What the axis must hold: all values, and all intervals but the far ends of the widest.

    Those of a partition of two or three labelled rows would leave no room for the others.
    """
    pairs = [
        (e.value, end)
        for e in estimates
        for end in (e.low, e.high)
        if e.value is not None and end is not None
    ]
    far = WIDE * median(abs(end - value) for value, end in pairs) if pairs else 0.0
    ends = [min(max(end, value - far), value + far) for value, end in pairs]
    return [*(e.value for e in estimates), *ends]


def _mark(
    plot: Plot, scale: Scale, estimate: Estimate, current: bool, x: float, each: float
) -> Markup:
    """A dot, and a whisker where there is an interval."""
    parts = []
    low, high = estimate.low, estimate.high
    if low is not None and high is not None:
        ends = {"y1": plot.y(scale.share(low)), "y2": plot.y(scale.share(high))}
        parts.append(el("line", class_="whisker", x1=x, x2=x, **ends))
    y = plot.y(scale.share(estimate.value or 0.0))
    parts.append(el("circle", class_="point", cx=x, cy=y, r=min(3.5, max(1.6, each / 3))))
    return el("g", *parts, class_="c0" if current else "earlier")


def _hint(result: Result, estimate: Estimate) -> str:
    """What is shown of a partition that is pointed at."""
    if not result.model:
        return "no rows"
    by = f"by {result.model}" + (", which took over" if result.took_over else "")
    if not result.labelled:
        return f"no labels, predicted {by}"
    rows = plural(result.labelled, "labelled row")
    return f"{estimate.full} on {rows}, {by}" if estimate.value is not None else f"{rows}, {by}"
