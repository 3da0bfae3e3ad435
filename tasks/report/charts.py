"""Charts of rows over time, small bars, and the map without a script: numbers in, SVG out."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from markupsafe import Markup

from fusemine.tasks.report.facts import COLOURS
from fusemine.tasks.report.scale import scale_of
from fusemine.tasks.report.svg import Plot, ceiling, el, path, picture, x_axis, y_axis
from fusemine.tasks.report.words import amount, count, cut, percent, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusemine.tasks.report.model import Series, TextMap
    from fusemine.tasks.report.scale import Scale

__all__ = ["bars", "lines", "means", "meter", "share_ceiling", "spark", "static_map"]

STATIC_POINTS, NAME, LINE, LETTER = 6000, 11.0, 24.0, 7.0
"""Points on paper; width of a letter on the map, height of a line there; width of a tick's."""
RING = "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0"
"""The path of a small circle around a point."""


def bars(series: Series, labels: Sequence[str]) -> Markup:
    """A column per stretch of time."""
    plot = Plot(ceiling(max(v or 0 for v in series.values)))
    columns = [
        _column(plot, place, len(labels), value or 0) for place, value in enumerate(series.values)
    ]
    hints = tips(plot, labels, [count(v or 0) for v in series.values])
    marks = el("g", *columns, class_=f"c{series.colour}")
    axes = y_axis(plot, share=False), x_axis(plot, labels)
    return picture(f"{series.name} over time", plot.width, plot.height, *axes, marks, hints)


def _column(plot: Plot, place: int, places: int, value: float) -> Markup:
    left, each = plot.band(place, places)
    top, gap = plot.y(value), min(1.0, each / 5)
    return el("rect", x=left + gap / 2, y=top, width=each - gap, height=plot.floor - top)


def lines(series: Series, labels: Sequence[str], high: float) -> Markup:
    """A share per stretch of time with its interval as a band; a line breaks where no rows are."""
    plot = Plot(high, bottom=25)
    hints = [percent(v) if v is not None else "no rows" for v in series.values]
    return _over_time(plot, series, labels, y_axis(plot, share=True), hints)


def means(series: Series, labels: Sequence[str]) -> Markup:
    """A mean per stretch of time with its interval as a band, on an axis that need not hold 0."""
    scale = scale_of([*series.values, *series.low, *series.high])
    widest = max(len(name) for _, name in scale.ticks())
    plot = Plot(1.0, bottom=25, left=max(46, 12 + LETTER * widest))
    hints = [amount(v) if v is not None else "no rows" for v in series.values]
    shares = [
        [None if v is None else scale.share(v) for v in values]
        for values in (series.values, series.low, series.high)
    ]
    moved = replace(series, values=shares[0], low=shares[1], high=shares[2])
    return _over_time(plot, moved, labels, upright(plot, scale), hints)


def upright(plot: Plot, scale: Scale) -> Markup:
    """The ticks of an axis of any scale, with lines across."""
    ends = {"x1": plot.left, "x2": plot.width - plot.right}
    parts = []
    for value, name in scale.ticks():
        y = plot.y(scale.share(value))
        parts.append(el("line", class_="rule", y1=y, y2=y, **ends))
        parts.append(el("text", name, x=plot.left - 6, y=y + 4, text_anchor="end"))
    return Markup("").join(parts)


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
    return picture(title, plot.width, plot.height, *axes, marks, tips(plot, labels, hints))


def _ring(x: float, y: float, radius: float) -> Markup:
    """The mark of a burst."""
    return el("circle", class_="burst", cx=x, cy=y, r=radius)


def share_ceiling(group: Sequence[Series]) -> float:
    """One round upper end for the axes of several shares, so that they can be compared."""
    values = [v for series in group for v in series.values if v is not None]
    return min(1.0, ceiling(1.05 * max(values, default=1.0)))


def _runs(values: Sequence[float | None]) -> Iterator[list[int]]:
    for present, run in groupby(range(len(values)), key=lambda i: values[i] is not None):
        if present:
            yield list(run)


def _band(plot: Plot, series: Series, centres: Sequence[float], run: Sequence[int]) -> Markup:
    def edge(bounds: Sequence[float | None], places: Sequence[int]) -> list[tuple[float, float]]:
        return [(centres[i], plot.y(min(bounds[i] or 0, plot.high))) for i in places]

    outline = edge(series.high, run) + edge(series.low, run[::-1])
    return el("path", class_="band", d=path(outline) + "Z")


def tips(plot: Plot, labels: Sequence[str], values: Sequence[str]) -> Markup:
    """Unseen columns over the whole height that name their value when pointed at."""
    columns = []
    for place, (label, value) in enumerate(zip(labels, values, strict=True)):
        left, each = plot.band(place, len(labels))
        size = {"x": left, "y": plot.top, "width": each, "height": plot.floor - plot.top}
        columns.append(el("rect", el("title", f"{label}: {value}"), **size))
    return el("g", *columns, class_="hints")


def spark(
    values: Sequence[float], colour: int, marked: Sequence[int] = (), counts: bool = False
) -> Markup:
    """A line without axes, from zero to its own highest value, with rings at some places."""
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
    return picture(
        title, 120, 32, el("g", el("title", title), *marks, class_=f"c{colour}"), kind="spark"
    )


def meter(share: float, colour: int = 0, mark: float | None = None) -> Markup:
    """A bar from 0 to 1, with a stroke at `mark`."""
    size = {"height": 8, "rx": 2}
    parts = [
        el("rect", class_="track", width=100, **size),
        el("rect", class_=f"c{colour} fill", width=100 * min(max(share, 0.0), 1.0), **size),
    ]
    if mark is not None:
        parts.append(el("rect", class_="mark", x=100 * mark - 0.5, width=1.0, height=8))
    stretch = {"viewBox": "0 0 100 8", "preserveAspectRatio": "none", "aria_hidden": "true"}
    return el("svg", *parts, class_="meter", **stretch)


def static_map(texts: TextMap) -> Markup:
    """The map for paper and for browsers without scripts: points by topic, names on the largest."""
    left, top, right, bottom = texts.frame
    scale = 1000 / max(right - left, 1)
    colours = {entry.number: entry.colour for entry in texts.legend}
    marks: dict[tuple[int, str], list[str]] = {}
    for place in range(0, len(texts.x), max(1, -(-len(texts.x) // STATIC_POINTS))):
        x, y = texts.x[place], texts.y[place]
        if left <= x <= right and top <= y <= bottom:
            kind = "rings" if texts.outlier[place] else "dots"
            key = colours[texts.groups[texts.topic[place]]], kind
            mark = RING if texts.outlier[place] else "h0"
            at = f"M{(x - left) * scale:.0f} {(y - top) * scale:.0f}{mark}"
            marks.setdefault(key, []).append(at)
    drawn = [
        el("path", class_=f"c{hue} {kind}", d="".join(marks[hue, kind]))
        for hue, kind in sorted(marks, reverse=True)
    ]
    names = [
        el("text", name, x=x, y=y, text_anchor="middle", class_=kind)
        for name, kind, x, y in _names(texts, left, top, scale)
    ]
    height = (bottom - top) * scale
    return picture("Map of the texts", 1000, height, *drawn, *names, kind="map-static")


def _names(
    texts: TextMap, left: int, top: int, scale: float
) -> Iterator[tuple[str, str, float, float]]:
    """The topics' names where they fit: inside, and not across a larger topic's name."""
    taken: list[tuple[float, float, float]] = []
    for entry in texts.legend:
        name = cut(entry.name, 34)
        half = NAME * len(name) / 2
        x = min(max((entry.x - left) * scale, half), max(1000 - half, half))
        y = (entry.y - top) * scale
        if all(abs(x - tx) > half + th or abs(y - ty) > LINE for tx, ty, th in taken):
            taken.append((x, y, half))
            yield name, "minor-name" if entry.colour >= COLOURS else "name", x, y
