"""Inline SVG from Python: an escaped element, a plot's scales and its axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from fusemine.tasks.report.words import count, percent

if TYPE_CHECKING:
    from collections.abc import Sequence


def el(name: str, *children: object, **attributes: object) -> Markup:
    """An element; children and values are escaped, `class_` stands for class."""
    pairs = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _plain(value))
        for key, value in attributes.items()
    )
    inner = Markup("").join(map(str_or_markup, children))
    return Markup("<{0}{1}>{2}</{0}>").format(name, pairs, inner)


def str_or_markup(child: object) -> str:
    """Markup as it is, anything else as text that `join` escapes."""
    return child if isinstance(child, str) else str(child)


def _plain(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def picture(title: str, width: float, height: float, *children: object, kind: str = "") -> Markup:
    """The outer element, which grows with the page; a screen reader reads its title."""
    box = f"0 0 {width:g} {height:g}"
    return el("svg", *children, class_=f"chart {kind}", viewBox=box, role="img", aria_label=title)


def ceiling(value: float) -> float:
    """The next round number: 1, 2, 4, 5 or 10 times a power of ten."""
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
        """From a share of the width to a place in the picture."""
        return self.left + share * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """From a value to a place in the picture."""
        return self.floor - value / self.high * (self.floor - self.top)

    @property
    def floor(self) -> float:
        """Where y is 0."""
        return self.height - self.bottom

    def band(self, place: int, places: int) -> tuple[float, float]:
        """The left edge and the width of one of equal columns."""
        each = (self.width - self.left - self.right) / max(places, 1)
        return self.left + place * each, each


def y_axis(plot: Plot, share: bool) -> Markup:
    """Lines at none, half and all of the height, with their values."""
    parts = []
    for value in (0.0, plot.high / 2, plot.high):
        y = plot.y(value)
        name = percent(value).replace(".0 %", " %") if share else _tick(value)
        line = {"x1": plot.left, "x2": plot.width - plot.right, "y1": y, "y2": y}
        parts.append(el("line", class_="rule", **line))
        parts.append(el("text", name, x=plot.left - 6, y=y + 4, text_anchor="end"))
    return Markup("").join(parts)


def x_axis(plot: Plot, labels: Sequence[str], most: int = 4) -> Markup:
    """Names under a few of the columns, the first and the last among them."""
    last, parts = len(labels) - 1, []
    shown = min(most, len(labels))
    for place in sorted({round(i * last / max(shown - 1, 1)) for i in range(shown)}):
        start, each = plot.band(place, len(labels))
        anchor = _anchor(place, last)
        x = {"start": start, "middle": start + each / 2, "end": start + each}[anchor]
        name = labels[place].split(" to ")[-1 if place == last else 0]
        parts.append(el("text", name, x=x, y=plot.height - 6, text_anchor=anchor))
    return Markup("").join(parts)


def _anchor(place: int, last: int) -> str:
    """A name at either end stays within the plot."""
    if not last:
        return "middle"
    return "start" if place == 0 else "end" if place == last else "middle"


def _tick(value: float) -> str:
    return count(value) if value == int(value) else f"{value:g}"


def path(points: Sequence[tuple[float, float]]) -> str:
    """A line through points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
