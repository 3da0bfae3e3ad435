"""Charts of the models in use: a value per partition with its interval, by the model's turn."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from fusemine.tasks.report.charts.scale import Scale, drawable, scale_of
from fusemine.tasks.report.charts.series import LETTER, tips, upright
from fusemine.tasks.report.charts.svg import Plot, el, picture, x_axis
from fusemine.tasks.report.words import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from fusemine.tasks.serving.monitor.report.model import InUse, Judged, Reading

TURN, WIDE = 7, 4
"""Height of the mark of another model; beyond so many usual sizes a whisker may be cut off."""


def watched_metric(section: InUse) -> Markup:
    """The metric of each partition, and a dashed line at that on the test rows."""
    readings = [one.metric for one in section.judged]
    return _chart(section.metric, section.judged, readings, section.reference.value, "chance")


def watched_gap(section: InUse) -> Markup:
    """How much too high the predictions for each partition were, and a line at zero."""
    readings = [one.gap for one in section.judged]
    return _chart("too high by", section.judged, readings, 0.0, "zero")


def _chart(
    name: str, judged: Sequence[Judged], readings: Sequence[Reading], level: float | None, kind: str
) -> Markup:
    scale = scale_of([level, *_ends(readings)])
    widest = max(len(tick) for _, tick in scale.ticks())
    plot = Plot(1.0, height=190, bottom=25, left=max(46, 12 + LETTER * widest))
    labels = [one.partition for one in judged]
    marks = [
        _mark(plot, scale, reading, one.current, plot.band(place, len(judged)))
        for place, (one, reading) in enumerate(zip(judged, readings, strict=True))
        if drawable(reading.value)
    ]
    turns = [
        _turn(plot, plot.band(place, len(judged))[0])
        for place, one in enumerate(judged)
        if one.took_over
    ]
    told = [_told(one, reading) for one, reading in zip(judged, readings, strict=True)]
    line = [_level(plot, scale, level, kind)] if drawable(level) else []
    axes = upright(plot, scale), x_axis(plot, labels, most=3)
    drawn = *axes, *line, *turns, *marks, tips(plot, labels, told)
    return picture(f"{name} by partition", plot.width, plot.height, *drawn)


def _ends(readings: Sequence[Reading]) -> list[float | None]:
    """What the axis must hold: all values, and all intervals but the far ends of the widest.

    Those of a partition of two or three labelled rows would leave no room for the others.
    """
    pairs = [
        (r.value, end)
        for r in readings
        for end in (r.low, r.high)
        if r.value is not None and end is not None
    ]
    far = WIDE * median(abs(end - value) for value, end in pairs) if pairs else 0.0
    ends = [min(max(end, value - far), value + far) for value, end in pairs]
    return [*(r.value for r in readings), *ends]


def _mark(
    plot: Plot, scale: Scale, reading: Reading, current: bool, column: tuple[float, float]
) -> Markup:
    """A dot, and a whisker where there is an interval."""
    left, each = column
    x, parts = left + each / 2, []
    low, high = reading.low, reading.high
    if low is not None and high is not None:
        ends = {"y1": plot.y(scale.share(low)), "y2": plot.y(scale.share(high))}
        parts.append(el("line", class_="whisker", x1=x, x2=x, **ends))
    y = plot.y(scale.share(reading.value or 0.0))
    radius = min(3.5, max(1.6, each / 3))
    parts.append(el("circle", class_="point", cx=x, cy=y, r=radius))
    return el("g", *parts, class_="c0" if current else "earlier")


def _turn(plot: Plot, x: float) -> Markup:
    return el("line", class_="turn", x1=x, x2=x, y1=plot.floor, y2=plot.floor - TURN)


def _level(plot: Plot, scale: Scale, level: float | None, kind: str) -> Markup:
    y = plot.y(scale.share(level or 0.0))
    return el("line", class_=kind, x1=plot.left, x2=plot.width - plot.right, y1=y, y2=y)


def _told(one: Judged, reading: Reading) -> str:
    """What is said of a partition that is pointed at."""
    if not one.model:
        return "no rows"
    by = f"by {one.model}" + (", which took over" if one.took_over else "")
    if not one.labelled:
        return f"no labels, foretold {by}"
    rows = plural(one.labelled, "labelled row")
    return f"{reading.told} on {rows}, {by}" if reading.value is not None else f"{rows}, {by}"
