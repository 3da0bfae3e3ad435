"""Charts of how good a model is and of what counts for and against its predictions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fusemine.tasks.report.charts.scale import Scale, scale_of
from fusemine.tasks.report.charts.svg import Plot, el, path, picture
from fusemine.tasks.report.words import count, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup

    from fusemine.tasks.mine.classify.report.model import Bin, Estimate, Forest

    Places = Sequence[tuple[float, str]]
    """Ticks as shares from 0 to 1, with their names."""

ROW = 30
LETTER = 7.0
"""Width of a letter of a name beside a chart."""


def _places(scale: Scale) -> Places:
    return [(scale.share(value), name) for value, name in scale.ticks()]


SQUARE = _places(Scale(0.0, 1.0, 0.25))


def forest(shown: Forest) -> Markup:
    """One line per view: the value as a dot, its interval as a bar, chance as a dashed line."""
    known = [e for e in shown.estimates if e.value is not None]
    left = 12 + LETTER * max((len(e.name) for e in known), default=0)
    right = 16 + LETTER * max((len(e.text) for e in known), default=0)
    plot = Plot(1, height=40 + ROW * len(known), left=max(left, 52), right=right, bottom=24)
    ends = [v for e in known for v in (e.value, e.low, e.high)]
    scale = scale_of([*ends, shown.reference])

    def x(value: float) -> float:
        return plot.x(scale.share(value))

    marks = []
    for value, name in scale.ticks():
        marks.append(_vertical(plot, x(value), "rule"))
        marks.append(el("text", name, x=x(value), y=plot.height - 6, text_anchor="middle"))
    if shown.reference is not None:
        marks.append(_vertical(plot, x(shown.reference), "chance"))
    for place, one in enumerate(known):
        marks.append(_forest_row(plot, one, x, plot.top + ROW * (place + 0.5)))
    return picture(f"{shown.name} by view", plot.width, plot.height, *marks, kind="forest")


def _vertical(plot: Plot, x: float, kind: str) -> Markup:
    return el("line", class_=kind, x1=x, x2=x, y1=plot.top, y2=plot.floor)


def _forest_row(plot: Plot, estimate: Estimate, x: Callable[[float], float], y: float) -> Markup:
    parts = [el("text", estimate.name, x=0, y=y + 4, class_="strong")]
    if estimate.low is not None and estimate.high is not None:
        ends = {"x1": x(estimate.low), "x2": x(estimate.high)}
        parts.append(el("line", class_="range", y1=y, y2=y, **ends))
    parts.append(el("circle", class_="dot", cx=x(estimate.value or 0.0), cy=y, r=4.5))
    end = {"x": plot.width, "y": y + 4, "text_anchor": "end"}
    return el("g", *parts, el("text", estimate.text, class_="strong", **end))


def curve(
    points: Sequence[tuple[float, float]],
    base_rate: float | None,
    called: tuple[float, float] | None = None,
) -> Markup:
    """Precision over recall; the dashed line is that of a random order.

    A dot marks the recall and precision of the rows that are called positive.
    """
    plot = Plot(1, height=280, bottom=40)
    line = path([(plot.x(recall), plot.y(precision)) for recall, precision in points])
    chance = path([(plot.x(r), plot.y(base_rate)) for r in (0, 1)]) if base_rate else "M0 0"
    marks = [el("path", class_="chance", d=chance), el("path", class_="line", d=line)]
    if called is not None:
        title = f"called positive: recall {percent(called[0])}, precision {percent(called[1])}"
        at = {"cx": plot.x(called[0]), "cy": plot.y(called[1]), "r": 5}
        marks.append(el("circle", el("title", title), class_="dot called", **at))
    return _chart(plot, ("recall", "precision"), SQUARE, SQUARE, *marks)


def calibration(bins: Sequence[Bin]) -> Markup:
    """The share that came true over the mean probability; on the dashed line both agree."""
    plot = Plot(1, height=280, bottom=40)
    most = max(b.rows for b in bins)
    dots = [
        el(
            "circle",
            el("title", f"{count(b.rows)} rows: {percent(b.expected)} → {percent(b.observed)}"),
            class_="dot open",
            cx=plot.x(b.expected),
            cy=plot.y(b.observed),
            r=3 + 7 * math.sqrt(b.rows / most),
        )
        for b in bins
    ]
    names = ("mean probability", "share positive")
    return _chart(plot, names, SQUARE, SQUARE, _diagonal(plot), *dots)


def scatter(points: Sequence[tuple[float, float]]) -> Markup:
    """True over predicted numbers, both to one scale; on the dashed line they agree."""
    scale = scale_of([value for point in points for value in point])
    plot = Plot(1, height=340, bottom=40, left=_room(scale))
    dots = [
        f"M{plot.x(scale.share(predicted)):.1f} {plot.y(scale.share(true)):.1f}h0"
        for predicted, true in points
    ]
    marks, ticks = (_diagonal(plot), el("path", class_="dots", d="".join(dots))), _places(scale)
    return _chart(plot, ("predicted", "true"), ticks, ticks, *marks)


def growth(points: Sequence[tuple[int, Estimate]], metric: str) -> Markup:
    """A metric over the number of training rows, to a logarithmic scale, with its interval."""
    known = [(rows, e) for rows, e in points if e.value is not None]
    scale = scale_of([v for _, e in known for v in (e.value, e.low, e.high)])
    plot = Plot(1, height=240, bottom=40, left=_room(scale), right=24)
    first, last = math.log(known[0][0]), math.log(known[-1][0])
    places = [(math.log(rows) - first) / ((last - first) or 1) for rows, _ in known]

    def at(values: Sequence[float | None], shares: Sequence[float]) -> list[tuple[float, float]]:
        pairs = zip(shares, values, strict=True)
        return [(plot.x(x), plot.y(scale.share(v))) for x, v in pairs if v is not None]

    outline = at([e.high for _, e in known], places)
    outline += at([e.low for _, e in known][::-1], places[::-1])
    line = at([e.value for _, e in known], places)
    band = [el("path", class_="band", d=path(outline) + "Z")] if outline else []
    dots = [
        el("circle", el("title", f"{count(rows)} rows: {e.full}"), class_="dot", cx=x, cy=y, r=4)
        for (rows, e), (x, y) in zip(known, line, strict=True)
    ]
    ticks = [(x, count(rows)) for x, (rows, _) in zip(places, known, strict=True)]
    marks = *band, el("path", class_="line", d=path(line)), *dots
    return _chart(plot, ("training rows", metric), ticks, _places(scale), *marks)


def lean(share: float) -> Markup:
    """A bar from the middle, to the right for a share up to 1 and to the left down to -1."""
    length = 50 * min(abs(share), 1.0)
    side = {"class_": "for", "x": 50.0} if share >= 0 else {"class_": "against", "x": 50 - length}
    parts = [
        el("rect", class_="track", width=100, height=8, rx=2),
        el("rect", width=length, height=8, **side),
        el("rect", class_="mark", x=49.6, width=0.8, height=8),
    ]
    stretch = {"viewBox": "0 0 100 8", "preserveAspectRatio": "none", "aria_hidden": "true"}
    return el("svg", *parts, class_="meter", **stretch)


def _room(scale: Scale) -> float:
    """The width that the labels of a vertical axis need."""
    return max(24 + LETTER * max(len(name) for _, name in scale.ticks()), 46)


def _diagonal(plot: Plot) -> Markup:
    return el("path", class_="chance", d=path([(plot.x(v), plot.y(v)) for v in (0, 1)]))


def _chart(
    plot: Plot, names: tuple[str, str], across: Places, up: Places, *marks: Markup
) -> Markup:
    """Marks within both axes: their ticks, and the names of the axes."""
    parts = [plot.grid((plot.y(y), name) for y, name in up)]
    below = {"y": plot.floor + 15, "text_anchor": "middle"}
    parts += [el("text", name, x=plot.x(x), **below) for x, name in across]
    middle = plot.y(0.5)
    foot = {"x": plot.x(0.5), "y": plot.height - 6, "text_anchor": "middle"}
    turned = {"x": 12, "y": middle, "text_anchor": "middle"}
    rotation = f"rotate(-90 12 {middle:g})"
    titles = el("text", names[0], **foot), el("text", names[1], transform=rotation, **turned)
    title = f"{names[1]} over {names[0]}"
    return picture(title, plot.width, plot.height, *parts, *titles, *marks)
