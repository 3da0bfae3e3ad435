"""Inline SVG from Python: an escaped element, a plot's area and its axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from fusemine.tasks.report.words import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def el(name: str, *children: object, **attributes: object) -> Markup:
    """An element; children and values are escaped, `class_` stands for class.

    >>> el("text", "a < b", x=1.25, text_anchor="end")
    Markup('<text x="1.2" text-anchor="end">a &lt; b</text>')
    """
    pairs = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _plain(value))
        for key, value in attributes.items()
    )
    inner = Markup("").join(map(escape, children))
    return Markup("<{0}{1}>{2}</{0}>").format(name, pairs, inner)


def _plain(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def picture(title: str, width: float, height: float, *children: object, kind: str = "") -> Markup:
    """The outer element, which grows with the page; a screen reader reads its title."""
    box = f"0 0 {width:g} {height:g}"
    return el("svg", *children, class_=f"chart {kind}", viewBox=box, role="img", aria_label=title)


def ceiling(value: float) -> float:
    """The next round number: 1, 2, 4, 5 or 10 times a power of ten.

    >>> ceiling(0.13), ceiling(31), ceiling(0)
    (0.2, 40.0, 1.0)
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 10) if value <= step * power * (1 + 1e-9))


@dataclass(frozen=True)
class Plot:
    """An area in a picture, with x as a share from 0 to 1 and y from 0 to `high`."""

    high: float
    width: float = 440
    height: float = 150
    left: float = 46
    right: float = 10
    top: float = 8
    bottom: float = 22

    def x(self, share: float) -> float:
        """The x coordinate in the picture of a share of the plot's width."""
        return self.left + share * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """The y coordinate in the picture of a value."""
        return self.floor - value / self.high * (self.floor - self.top)

    @property
    def floor(self) -> float:
        """The y coordinate of 0."""
        return self.height - self.bottom

    def band(self, place: int, places: int) -> tuple[float, float]:
        """The left edge and the width of one of equal columns."""
        each = (self.width - self.left - self.right) / max(places, 1)
        return self.left + place * each, each

    def line(self, y: float, kind: str) -> Markup:
        """A horizontal line over the whole width, of a class."""
        return el("line", class_=kind, x1=self.left, x2=self.width - self.right, y1=y, y2=y)

    def grid(self, ticks: Iterable[tuple[float, str]]) -> Markup:
        """A line at each y coordinate, with its label on the left."""
        parts = []
        for y, label in ticks:
            parts.append(self.line(y, "rule"))
            parts.append(el("text", label, x=self.left - 6, y=y + 4, text_anchor="end"))
        return Markup("").join(parts)


def y_axis(plot: Plot, share: bool) -> Markup:
    """Lines at zero, half and all of the height, with their values."""
    label = _percent if share else _count
    return plot.grid((plot.y(v), label(v)) for v in (0.0, plot.high / 2, plot.high))


def x_axis(plot: Plot, labels: Sequence[str], most: int = 4) -> Markup:
    """Labels under a few of the columns, the first and the last among them."""
    last, parts = len(labels) - 1, []
    shown = min(most, len(labels))
    for place in sorted({round(i * last / max(shown - 1, 1)) for i in range(shown)}):
        start, each = plot.band(place, len(labels))
        # A label at either end stays within the plot.
        anchor = {0: "start", last: "end"}.get(place, "middle") if last else "middle"
        x = {"start": start, "middle": start + each / 2, "end": start + each}[anchor]
        name = labels[place].split(" to ")[-1 if place == last else 0]
        parts.append(el("text", name, x=x, y=plot.height - 6, text_anchor=anchor))
    return Markup("").join(parts)


def _percent(value: float) -> str:
    return percent(value).replace(".0 %", " %")


def _count(value: float) -> str:
    return count(value) if value == int(value) else f"{value:g}"


def path(points: Sequence[tuple[float, float]]) -> str:
    """The `d` of a path: a line through points.

    >>> path([(0, 1), (2.25, 3)])
    'M0.0 1.0L2.2 3.0'
    """
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
