"""Themes: topics that belong together, and whether they or the topics have the colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.report.facts import COLOURS, ranked
from fusemine.tasks.report.words import cut

if TYPE_CHECKING:
    from fusemine.tasks.report.model import ReportInputs

MANY = 20
"""Of more topics than this the themes have the colours, because there are but eight."""
OTHER = "other topics"


@dataclass(frozen=True)
class Palette:
    """What has the colours: topics, or the themes that they are in.

    `names` and `colours` are those of the things, largest first; `place` has for each topic the
    place of its thing, or of none, which comes after them all.
    """

    what: str
    names: list[str]
    colours: list[int]
    place: dict[int, int]

    def colour(self, topic: int) -> int:
        """The colour of a topic, from 0 to 7; 8 is grey."""
        place = self.place.get(topic, len(self.colours))
        return self.colours[place] if place < len(self.colours) else COLOURS


def palette(inputs: ReportInputs) -> Palette:
    """Colours for the largest topics, or of many topics for the largest themes."""
    topics = ranked(inputs.topics)
    if topics.filter(pl.col("topic") >= 0).height > MANY and has_themes(inputs):
        return _of_themes(inputs, topics)
    pairs = list(topics.select("place", "topic").iter_rows())
    colours = [min(place, COLOURS) if topic >= 0 else COLOURS for place, topic in pairs]
    places = {topic: place for place, topic in pairs}
    return Palette("topic", topics["name"].to_list(), colours, places)


def _of_themes(inputs: ReportInputs, topics: pl.DataFrame) -> Palette:
    themes = ranked_themes(inputs)
    place = {theme: place for place, theme in enumerate(themes["theme"])}
    places = {
        topic: place.get(theme, themes.height)
        for topic, theme in topics.select("topic", "theme").iter_rows()
    }
    colours = [min(place, COLOURS) for place in range(themes.height)]
    return Palette("theme", themes["name"].to_list(), colours, places)


def has_themes(inputs: ReportInputs) -> bool:
    """Whether there are themes, and any of them holds more than a topic."""
    themes, topics = ranked_themes(inputs), ranked(inputs.topics)
    real = topics.filter(pl.col("topic") >= 0)
    return 1 < themes.height < real.height


def ranked_themes(inputs: ReportInputs) -> pl.DataFrame:
    """The themes, largest first, their names cut."""
    if inputs.themes is None:
        whole = dict.fromkeys(("theme", "topics", "rows"), pl.Int64)
        return pl.DataFrame(schema={**whole, "name": pl.String, "share": pl.Float64})
    return inputs.themes.with_columns(
        pl.col("theme").cast(pl.Int64),
        pl.col("name").map_elements(lambda name: cut(name, 80), return_dtype=pl.String),
    ).sort(["rows", "theme"], descending=[True, False])
