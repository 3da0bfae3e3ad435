"""Charts of how good a classifier is: intervals, precision and recall, calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from tasks.report.svg import Plot, el, path, picture
from tasks.report.words import count, number, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.report.model import Bin, Estimate

__all__ = ["calibration", "curve", "forest"]

ROW = 30


@dataclass(frozen=True)
class Axis:
    """A horizontal axis from `low` to `high`."""

    plot: Plot
    low: float
    high: float
    step: float

    def x(self, value: float) -> float:
        """From a value to a place in the picture."""
        return self.plot.x((value - self.low) / (self.high - self.low))


def forest(name: str, reference: float | None, estimates: Sequence[Estimate]) -> Markup:
    """One line per view: the value as a dot, its interval as a bar, chance as a dashed line."""
    known = [e for e in estimates if e.value is not None]
    plot = Plot(1, height=40 + ROW * len(known), left=52, right=50, bottom=24)
    axis = _axis(plot, reference, known)
    rows = [_forest_row(axis, e, plot.top + ROW * (place + 0.5)) for place, e in enumerate(known)]
    ticks = _ticks(axis)
    chance = _vertical(axis, reference, "chance") if reference is not None else ""
    return picture(f"{name} by view", plot.width, plot.height, ticks, chance, *rows, kind="forest")


def _axis(plot: Plot, reference: float | None, known: Sequence[Estimate]) -> Axis:
    ends = [v for e in known for v in (e.value, e.low, e.high, reference) if v is not None]
    step = 0.1 if max(ends) - min(ends) <= 0.5 else 0.2
    low = math.floor(min(ends) / step + 1e-9) * step
    high = math.ceil(max(ends) / step - 1e-9) * step
    return Axis(plot, low, max(high, low + step), step)


def _ticks(axis: Axis) -> Markup:
    parts = []
    for place in range(round((axis.high - axis.low) / axis.step) + 1):
        value = axis.low + place * axis.step
        parts.append(_vertical(axis, value, "rule"))
        at = {"x": axis.x(value), "y": axis.plot.height - 6, "text_anchor": "middle"}
        parts.append(el("text", f"{value:.1f}", **at))
    return Markup("").join(parts)


def _vertical(axis: Axis, value: float, kind: str) -> Markup:
    x = axis.x(value)
    return el("line", class_=kind, x1=x, x2=x, y1=axis.plot.top, y2=axis.plot.floor)


def _forest_row(axis: Axis, estimate: Estimate, y: float) -> Markup:
    value = estimate.value or 0.0
    parts = [el("text", estimate.name, x=0, y=y + 4, class_="strong")]
    if estimate.low is not None and estimate.high is not None:
        ends = {"x1": axis.x(estimate.low), "x2": axis.x(estimate.high)}
        parts.append(el("line", class_="range", y1=y, y2=y, **ends))
    parts.append(el("circle", class_="dot", cx=axis.x(value), cy=y, r=4.5))
    at = {"x": axis.plot.width, "y": y + 4, "text_anchor": "end"}
    return el("g", *parts, el("text", number(value), class_="strong", **at))


def curve(points: Sequence[tuple[float, float]], base_rate: float | None) -> Markup:
    """Precision over recall; the dashed line is what a random order gets."""
    plot = Plot(1, height=280, bottom=40)
    line = path([(plot.x(recall), plot.y(precision)) for recall, precision in points])
    chance = path([(plot.x(r), plot.y(base_rate)) for r in (0, 1)]) if base_rate else "M0 0"
    return _square(
        plot,
        ("recall", "precision"),
        el("path", class_="chance", d=chance),
        el("path", class_="line", d=line),
    )


def calibration(bins: Sequence[Bin]) -> Markup:
    """What came true over what was foretold; on the dashed line both agree."""
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
    diagonal = path([(plot.x(v), plot.y(v)) for v in (0, 1)])
    names = ("mean probability", "share positive")
    return _square(plot, names, el("path", class_="chance", d=diagonal), *dots)


def _square(plot: Plot, names: tuple[str, str], *marks: Markup) -> Markup:
    parts = []
    for value in (0, 0.25, 0.5, 0.75, 1):
        x, y = plot.x(value), plot.y(value)
        parts += [
            el("line", class_="rule", x1=plot.left, x2=plot.width - plot.right, y1=y, y2=y),
            el("text", f"{value:g}", x=plot.left - 6, y=y + 4, text_anchor="end"),
            el("text", f"{value:g}", x=x, y=plot.floor + 15, text_anchor="middle"),
        ]
    across = el("text", names[0], x=plot.x(0.5), y=plot.height - 6, text_anchor="middle")
    middle = plot.y(0.5)
    turned = {"x": 12, "y": middle, "transform": f"rotate(-90 12 {middle:g})"}
    down = el("text", names[1], text_anchor="middle", **turned)
    title = f"{names[1]} over {names[0]}"
    return picture(title, plot.width, plot.height, *parts, across, down, *marks)
