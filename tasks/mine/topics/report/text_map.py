"""The map of the texts: every row with a text as a point, close to similar ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.mine.topics.report import map_chart
from fusemine.tasks.mine.topics.report.model import LegendEntry, TextMap
from fusemine.tasks.mine.topics.report.themes import COLOURS, palette, ranked
from fusemine.tasks.report.facts import why_missing
from fusemine.tasks.report.model import ReportInputs, Skipped, View
from fusemine.tasks.report.rates import is_number
from fusemine.tasks.report.words import amount, count, cut, percent, plural
from fusemine.tasks.stats.sampling import evenly_spaced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.topics.report.themes import Palette
    from fusemine.tasks.report.settings import ReportSettings

GRID, CELL = 9999, 400
"""The largest coordinate, and the width of a cell that an entry of the legend may stand in."""
LEGEND, LABELS = 40, 2500
"""Entries of the legend, and labels that are named, at most."""
TEXT_BYTES = 1_500_000
"""What the texts of the map may weigh, as JSON, so that the report stays below 5 MB."""
LIMITS = (200, 160, 120, 90, 60, 40, 20)
"""Characters that texts are cut at, the first at which they weigh no more than that."""


def map_view(inputs: ReportInputs, rows: pl.DataFrame, settings: ReportSettings) -> View:
    """The section of the map; a map that could be made has its points drawn by a script."""
    found, data = text_map(inputs, rows, settings), {}
    if isinstance(found, TextMap):
        shown = {k: v for k, v in asdict(found).items() if k not in ("lead", "remarks")}
        data = {"map-data": shown}
    return View("map", "The map", "map.html.j2", found, map_chart, data, ("map.js",))


def text_map(
    inputs: ReportInputs, rows: pl.DataFrame, settings: ReportSettings
) -> TextMap | Skipped:
    """Place the texts on a grid; above `map_points` rows, an even sample of every topic."""
    reason = why_missing(inputs, "topics", "Clustering")
    placed = rows.filter(pl.col("x").is_finite() & pl.col("y").is_finite())
    if reason or not placed.height:
        return Skipped(reason or "No row has a place on the map.")
    points = sample(placed, settings.map_points)
    topics, hues = ranked(inputs), palette(inputs)
    groups = _groups(topics, hues)
    x, y = grid(points["x"].to_numpy(), points["y"].to_numpy())
    limit, text, texts = _texts(points["text"].to_list())
    partitions = _codes(points["partition"])
    labels = _bands(points["label"]) if is_number(inputs) else _codes(points["label"], LABELS)
    place = points["place"].fill_null(topics.height)
    return TextMap(
        lead=f"{plural(placed.height, 'text')} as points; similar texts lie close.",
        remarks=_remarks(rows, placed, points, limit),
        frame=frame(x, y),
        x=x.tolist(),
        y=y.tolist(),
        topic=place.to_list(),
        partition=partitions[0],
        label=labels[0],
        flagged=points["flagged"].fill_null(False).cast(pl.Int8).to_list(),
        outlier=points["outlier"].fill_null(False).cast(pl.Int8).to_list(),
        text=text,
        texts=texts,
        topics=[*topics["name"].to_list(), "no topic"],
        groups=groups,
        grouping=hues.kind,
        legend=_legend(hues, np.array(groups)[place.to_numpy()], x, y),
        partitions=partitions[1],
        labels=labels[1],
    )


def sample(points: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most `most` rows at even steps through the topics, in their first order.

    Steps instead of a draw: every topic keeps its share, and the same rows come out each time.
    """
    steps = evenly_spaced(points.height, most)
    return points.sort("place", "order", nulls_last=True)[steps].sort("order")


def grid(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Coordinates (n,) as whole numbers from 0 to 9999, both axes at one scale, y downwards."""
    span = max(np.ptp(x), np.ptp(y)) or 1.0
    across = (x - (x.max() + x.min()) / 2) / span + 0.5
    down = ((y.max() + y.min()) / 2 - y) / span + 0.5
    # Clipped, because a span close to zero is no longer exact.
    cells = np.clip(np.stack([across, down]) * GRID, 0, GRID).round().astype(np.int64)
    return cells[0], cells[1]


def frame(x: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """The box around the middle 98 % of the points (n,) on either axis, with a margin.

    Returns:
        Left, top, right and bottom on the grid.
    """
    # A place counts once: many repeats of one text lie together, often far from all others.
    places = np.unique(np.column_stack([x, y]), axis=0)
    (left, top), (right, bottom) = np.percentile(places, (1, 99), axis=0)
    # The margin keeps names and rings at the edge in view.
    margin = max(0.06 * max(right - left, bottom - top), 50.0)
    edges = left - margin, top - margin, right + margin, bottom + margin
    return tuple(int(min(max(edge, 0.0), GRID)) for edge in edges)  # type: ignore[return-value]


def _densest(x: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[int, int]:
    """The middle of the fullest cell, because the mean of a ring lies where no point is."""
    cells = (x // CELL) * GRID + y // CELL
    found, counts = np.unique(cells, return_counts=True)
    here = cells == found[counts.argmax()]
    return int(x[here].mean()), int(y[here].mean())


def _texts(texts: list[str]) -> tuple[int, list[int], list[str]]:
    """The longest cut whose distinct texts fit the budget, each row's place in them, and them."""
    for limit in LIMITS:
        lines = [cut(text, limit) for text in texts]
        places = {line: place for place, line in enumerate(dict.fromkeys(lines))}
        if sum(map(_weight, places)) <= TEXT_BYTES:
            break
    return limit, [places[line] for line in lines], list(places)


def _weight(text: str) -> int:
    escaped = sum(map(text.count, "<>&")) * 5
    return len(json.dumps(text, ensure_ascii=False).encode()) + escaped + 1


def _codes(values: pl.Series, most: int = 100_000) -> tuple[list[int], list[str]]:
    """Each row's place in the list of names, and the names; an empty one stands for none."""
    names = values.drop_nulls().unique().sort().to_list()[:most]
    places = {name: place for place, name in enumerate(names)}
    codes = [places.get(value, len(names)) for value in values.to_list()]
    return codes, [*(cut(name, 60) for name in names), ""]


def _bands(labels: pl.Series) -> tuple[list[int], list[str]]:
    """Each row's quarter of the numbers, which are too many to name, and the quarters' names."""
    values = labels.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    finite = np.isfinite(values)
    if not finite.any():
        return [0] * len(values), [""]
    # Where many numbers are equal there are fewer quarters.
    edges = np.unique(np.quantile(values[finite], (0.25, 0.5, 0.75)))
    codes = np.where(finite, np.searchsorted(edges, values, side="right"), len(edges) + 1)
    texts = [amount(edge) for edge in edges.tolist()]
    between = [f"{low} to {high}" for low, high in pairwise(texts)]
    return codes.tolist(), [f"below {texts[0]}", *between, f"{texts[-1]} or more", ""]


def _groups(topics: pl.DataFrame, hues: Palette) -> list[int]:
    """The legend's entry for each place of a topic, and for rows without one; the last is full."""
    places = [hues.place.get(topic, len(hues.names)) for topic in topics["topic"]]
    return [min(place, LEGEND) for place in (*places, len(hues.names))]


def _legend(
    hues: Palette, group: NDArray[np.int64], x: NDArray[np.int64], y: NDArray[np.int64]
) -> list[LegendEntry]:
    """An entry per topic or theme, the smallest ones together as the last."""
    entries = []
    for number in np.unique(group).tolist():
        here = group == number
        name, hue = _entry(hues, number)
        entries.append(LegendEntry(number, name, int(here.sum()), hue, *_densest(x[here], y[here])))
    return entries


def _entry(hues: Palette, number: int) -> tuple[str, int]:
    if number >= len(hues.names):
        return "no topic", COLOURS
    if number >= LEGEND:
        return f"{len(hues.names) - LEGEND} smaller {hues.kind}s", COLOURS
    return hues.names[number], hues.colours[number]


def _remarks(
    rows: pl.DataFrame, placed: pl.DataFrame, points: pl.DataFrame, limit: int
) -> list[str]:
    remarks = []
    left_out = rows.height - placed.height
    if left_out:
        remarks.append(f"{plural(left_out, 'row')} without text or place are not on the map.")
    if points.height < placed.height:
        share = percent(points.height / placed.height)
        sizes = f"{count(points.height)} of {count(placed.height)} ({share})"
        remarks.append(f"Shown is an even sample of {sizes}.")
    if limit < LIMITS[0]:
        remarks.append(f"Texts are cut at {limit} characters to keep this file small.")
    if points["outlier"].any():
        remarks.append("Rings are texts that are like no others.")
    return remarks
