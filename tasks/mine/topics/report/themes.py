"""The topics and their themes by size, and which of the two have the colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.report.words import cut, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.report.model import ReportInputs

COLOURS = 8
"""Topics that get a colour of their own; the others are grey."""
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


def ranked(inputs: ReportInputs) -> pl.DataFrame:
    """The topics, largest first, with `place` from 0; rows without a topic come last."""
    topics = _named(inputs.table("topics", "topics"), ("topic", "theme", "rows"))
    by = [pl.col("topic") < 0, pl.col("rows"), pl.col("topic")]
    order = topics.sort(by, descending=[False, True, False])
    return order.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))


def real_topics(inputs: ReportInputs) -> pl.DataFrame:
    """The topics, largest first, without the rows that have none."""
    return ranked(inputs).filter(pl.col("topic") >= 0)


def ranked_themes(inputs: ReportInputs) -> pl.DataFrame:
    """The themes, largest first."""
    themes = _named(inputs.table("topics", "themes"), ("theme", "topics", "rows"))
    return themes.sort(["rows", "theme"], descending=[True, False])


def has_themes(inputs: ReportInputs) -> bool:
    """Whether there are themes, and any of them holds more than a topic."""
    return 1 < ranked_themes(inputs).height < real_topics(inputs).height


def largest(inputs: ReportInputs) -> tuple[str, dict[str, Any]]:
    """Among how many themes the topics are, and the largest theme; else the largest topic."""
    if not has_themes(inputs):
        return "", real_topics(inputs).row(0, named=True)
    themes = ranked_themes(inputs)
    return f"in {plural(themes.height, 'theme')}", themes.row(0, named=True)


def palette(inputs: ReportInputs) -> Palette:
    """Colours for the largest topics, or of many topics for the largest themes."""
    topics = ranked(inputs)
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


def _named(table: pl.DataFrame | None, whole: Sequence[str]) -> pl.DataFrame:
    """A table with whole numbers of one type and names that are cut; empty where there is none."""
    if table is None:
        types = dict.fromkeys(whole, pl.Int64)
        return pl.DataFrame(schema={**types, "name": pl.String, "share": pl.Float64})
    return table.with_columns(
        pl.col(whole[0]).cast(pl.Int64),
        pl.col("name").map_elements(lambda name: cut(name, 80), return_dtype=pl.String),
    )
