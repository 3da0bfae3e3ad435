"""The topics and their themes by size, and which of the two have the colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.report.words import cut, plural

if TYPE_CHECKING:
    from fusemine.tasks.report.model import ReportInputs

COLOURS = 8
"""Topics that get a colour of their own; the others are grey, which is the colour after these."""
MANY = 20
"""Of more topics than this the themes have the colours, because there are but eight."""


@dataclass(frozen=True)
class Palette:
    """The colours of topics, or of the themes that they are in.

    Attributes:
        kind: `topic` or `theme`.
        names: Of all of the kind, largest first.
        colours: Theirs, from 0 to 8.
        place: For each topic the place of itself or of its theme; of none, that after all.
    """

    kind: str
    names: list[str]
    colours: list[int]
    place: dict[int, int]

    def colour(self, topic: int) -> int:
        """The colour of a topic, from 0 to 7; 8 is grey."""
        place = self.place.get(topic, len(self.colours))
        return self.colours[place] if place < len(self.colours) else COLOURS


def ranked(inputs: ReportInputs) -> pl.DataFrame:
    """The topics, largest first, with `place` from 0; rows without a topic come last."""
    topics = _table(inputs, "topics", "topic", "theme", "rows")
    by = [pl.col("topic") < 0, pl.col("rows"), pl.col("topic")]
    order = topics.sort(by, descending=[False, True, False])
    return order.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))


def real_topics(inputs: ReportInputs) -> pl.DataFrame:
    """The topics, largest first, without the rows that have none."""
    return ranked(inputs).filter(pl.col("topic") >= 0)


def ranked_themes(inputs: ReportInputs) -> pl.DataFrame:
    """The themes, largest first."""
    themes = _table(inputs, "themes", "theme", "topics", "rows")
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
    topics, kind = ranked(inputs), "topic"
    shown, of_topic = topics, topics["topic"]
    if topics.filter(pl.col("topic") >= 0).height > MANY and has_themes(inputs):
        kind, shown, of_topic = "theme", ranked_themes(inputs), topics["theme"]
    numbers = shown[kind].to_list()
    place = {number: place for place, number in enumerate(numbers)}
    return Palette(
        kind,
        shown["name"].to_list(),
        [min(i, COLOURS) if number >= 0 else COLOURS for i, number in enumerate(numbers)],
        {t: place.get(n, len(place)) for t, n in zip(topics["topic"], of_topic, strict=True)},
    )


def _table(inputs: ReportInputs, name: str, *whole: str) -> pl.DataFrame:
    """A table with names that are cut, its first column in 64 bits; empty where it is absent."""
    table = inputs.table("topics", name)
    if table is None:
        types = dict.fromkeys(whole, pl.Int64)
        return pl.DataFrame(schema={**types, "name": pl.String, "share": pl.Float64})
    return table.with_columns(
        pl.col(whole[0]).cast(pl.Int64),
        pl.col("name").map_elements(lambda name: cut(name, 80), return_dtype=pl.String),
    )
