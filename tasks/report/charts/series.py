"""Charts of series over time, and small bars."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from markupsafe import Markup

from fusemine.tasks.report.charts.scale import scale_of
from fusemine.tasks.report.charts.svg import Plot, ceiling, el, path, picture, x_axis, y_axis
from fusemine.tasks.report.words import amount, count, percent, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusemine.tasks.report.charts.scale import Scale
    from fusemine.tasks.report.model import Series

__all__ = ["bars", "lines", "means", "meter", "share_ceiling", "spark"]

LETTER = 7.0
"""Width of a letter of a tick's label."""


def bars(series: Series, labels: Sequence[str]) -> Markup:
    """A column per period."""
    plot = Plot(ceiling(max(v or 0 for v in series.values)))
    columns = [
        _column(plot, place, len(labels), value or 0) for place, value in enumerate(series.values)
    ]
    hints = tooltips(plot, labels, [count(v or 0) for v in series.values])
    marks = el("g", *columns, class_=f"c{series.colour}")
    axes = y_axis(plot, share=False), x_axis(plot, labels)
    return picture(f"{series.name} over time", plot.width, plot.height, *axes, marks, hints)


def _column(plot: Plot, place: int, places: int, value: float) -> Markup:
    left, each = plot.band(place, places)
    top, gap = plot.y(value), min(1.0, each / 5)
    return el("rect", x=left + gap / 2, y=top, width=each - gap, height=plot.floor - top)


def lines(series: Series, labels: Sequence[str], high: float) -> Markup:
    """A share per period with its interval as a band; a line breaks where there are no rows."""
    plot = Plot(high, bottom=25)
    hints = [percent(v) if v is not None else "no rows" for v in series.values]
    return _over_time(plot, series, labels, y_axis(plot, share=True), hints)


def means(series: Series, labels: Sequence[str]) -> Markup:
    """A mean per period with its interval as a band, on an axis that need not hold 0."""
    scale = scale_of([*series.values, *series.low, *series.high])
    plot = scale_plot(scale)
    hints = [amount(v) if v is not None else "no rows" for v in series.values]
    shares = [
        [None if v is None else scale.share(v) for v in values]
        for values in (series.values, series.low, series.high)
    ]
    moved = replace(series, values=shares[0], low=shares[1], high=shares[2])
    return _over_time(plot, moved, labels, scale_axis(plot, scale), hints)


def scale_plot(scale: Scale, height: float = 150) -> Plot:
    """A plot from 0 to 1 with room on its left for the labels of an axis's ticks."""
    widest = max(len(label) for _, label in scale.ticks())
    return Plot(1.0, height=height, bottom=25, left=max(46, 12 + LETTER * widest))


def scale_axis(plot: Plot, scale: Scale) -> Markup:
    """The ticks of an axis of any scale, with lines across."""
    return plot.grid((plot.y(scale.share(value)), label) for value, label in scale.ticks())


def _over_time(
    plot: Plot, series: Series, labels: Sequence[str], axis: Markup, hints: Sequence[str]
) -> Markup:
    bands = [plot.band(place, len(labels)) for place in range(len(labels))]
    centres = [left + each / 2 for left, each in bands]
    parts = []
    for run in _runs(series.values):
        parts.append(_band(plot, series, centres, run))
        points = [(centres[i], plot.y(min(series.values[i] or 0, plot.high))) for i in run]
        parts.append(el("path", class_="line", d=path(points)))
        parts += [el("circle", class_="point", cx=x, cy=y, r=2) for x, y in points]
        at = dict(zip(run, points, strict=True))
        parts += [_ring(*at[i], 5) for i in series.bursts if i in at]
    axes = axis, x_axis(plot, labels, most=3)
    marks = el("g", *parts, class_=f"c{series.colour}")
    title = f"{series.name} over time"
    return picture(title, plot.width, plot.height, *axes, marks, tooltips(plot, labels, hints))


def _ring(x: float, y: float, radius: float) -> Markup:
    """The mark of a burst."""
    return el("circle", class_="burst", cx=x, cy=y, r=radius)


def share_ceiling(group: Sequence[Series]) -> float:
    """One round upper end for the axes of several shares, so that they can be compared."""
    values = [v for series in group for v in series.values if v is not None]
    return min(1.0, ceiling(1.05 * max(values, default=1.0)))


def _runs(values: Sequence[float | None]) -> Iterator[list[int]]:
    """The places of consecutive values."""
    for present, run in groupby(range(len(values)), key=lambda i: values[i] is not None):
        if present:
            yield list(run)


def _band(plot: Plot, series: Series, centres: Sequence[float], run: Sequence[int]) -> Markup:
    def edge(bounds: Sequence[float | None], places: Sequence[int]) -> list[tuple[float, float]]:
        return [(centres[i], plot.y(min(bounds[i] or 0, plot.high))) for i in places]

    outline = edge(series.high, run) + edge(series.low, run[::-1])
    return el("path", class_="band", d=path(outline) + "Z")


def tooltips(plot: Plot, labels: Sequence[str], values: Sequence[str]) -> Markup:
    """Invisible columns over the whole height that show their value when pointed at."""
    columns = []
    for place, (label, value) in enumerate(zip(labels, values, strict=True)):
        left, each = plot.band(place, len(labels))
        size = {"x": left, "y": plot.top, "width": each, "height": plot.floor - plot.top}
        columns.append(el("rect", el("title", f"{label}: {value}"), **size))
    return el("g", *columns, class_="hints")


def spark(
    values: Sequence[float], colour: int, marked: Sequence[int] = (), counts: bool = False
) -> Markup:
    """A sparkline: no axes, from zero to its own highest value, with rings at some places."""
    if len(values) < 2:
        return Markup("")
    high = max(values) or 1.0
    step = 120 / (len(values) - 1)
    points = [(i * step, 29 - 27 * v / high) for i, v in enumerate(values)]
    area = path([(0, 30), *points, (120, 30)]) + "Z"
    marks = [el("path", class_="band", d=area), el("path", class_="line", d=path(points))]
    marks += [_ring(*points[i], 3) for i in marked if i < len(points)]
    most = plural(int(max(values)), "row") if counts else percent(max(values))
    title = f"{'rows' if counts else 'share'} over time, at most {most}"
    group = el("g", el("title", title), *marks, class_=f"c{colour}")
    return picture(title, 120, 32, group, kind="spark")


def meter(share: float, colour: int = 0, mark: float | None = None) -> Markup:
    """A bar from 0 to 1, with a stroke at `mark`."""
    size = {"height": 8, "rx": 2}
    parts = [
        el("rect", class_="track", width=100, **size),
        el("rect", class_=f"c{colour} fill", width=100 * min(max(share, 0.0), 1.0), **size),
    ]
    if mark is not None:
        parts.append(el("rect", class_="mark", x=100 * mark - 0.5, width=1.0, height=8))
    attributes = {"viewBox": "0 0 100 8", "preserveAspectRatio": "none", "aria_hidden": "true"}
    return el("svg", *parts, class_="meter", **attributes)
