"""The map for paper, and for browsers without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.mine.topics.report.themes import COLOURS
from fusemine.tasks.report.charts.svg import el, picture
from fusemine.tasks.report.words import cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markupsafe import Markup

    from fusemine.tasks.mine.topics.report.model import TextMap

POINTS, LETTER, LINE = 6000, 11.0, 24.0
"""Points on paper; width of a letter on the map, and height of a line there."""
RING = "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0"
"""The path of a small circle around a point."""


def static_map(texts: TextMap) -> Markup:
    """Points by topic, and names on the largest."""
    left, top, right, bottom = texts.frame
    scale = 1000 / max(right - left, 1)
    colours = {entry.number: entry.colour for entry in texts.legend}
    marks: dict[tuple[int, str], list[str]] = {}
    # Of very many points every n-th: paper shows no more.
    for place in range(0, len(texts.x), max(1, -(-len(texts.x) // POINTS))):
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
    # Width of a name is estimated from its letters, as nothing is drawn yet.
    taken: list[tuple[float, float, float]] = []
    for entry in texts.legend:
        name = cut(entry.name, 34)
        half = LETTER * len(name) / 2
        x = min(max((entry.x - left) * scale, half), max(1000 - half, half))
        y = (entry.y - top) * scale
        if all(abs(x - tx) > half + th or abs(y - ty) > LINE for tx, ty, th in taken):
            taken.append((x, y, half))
            yield name, "minor-name" if entry.colour >= COLOURS else "name", x, y
