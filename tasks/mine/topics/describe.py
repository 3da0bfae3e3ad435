"""What there is to say of the topics of a window: their terms, their texts, their themes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.mine.topic_chain.grouping.quality import coherence
from fusemine.tasks.mine.topic_chain.naming.examples import central, typical
from fusemine.tasks.mine.topic_chain.naming.terms import topic_names, topic_terms
from fusemine.tasks.mine.topic_chain.registry import NO_TEXT, NO_TEXT_NAME, WORDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.reference_texts import Anchors, Placed
    from fusemine.tasks.mine.topic_chain.registry import State
    from fusemine.tasks.text.distinct import Texts

_TOPICS: dict[str, Any] = {
    "topic": pl.Int32,
    "name": pl.String,
    "theme": pl.Int32,
    "rows": pl.Int64,
    "share": pl.Float64,
    "outliers": pl.Int64,
    "terms": pl.List(pl.String),
    "typical": pl.List(pl.String),
    "central": pl.List(pl.String),
    "coherence": pl.Float64,
    "born": pl.String,
    "named_by": pl.String,
}
_THEMES: dict[str, Any] = {
    "theme": pl.Int32,
    "name": pl.String,
    "topics": pl.Int64,
    "rows": pl.Int64,
    "share": pl.Float64,
}


@dataclass(frozen=True)
class Described:
    """The topics and themes of a window, largest first, and the topics' mean coherence."""

    topics: pl.DataFrame
    themes: pl.DataFrame
    coherence: float | None


def describe(
    clean: pl.DataFrame, texts: Texts, placed: Placed | None, rows: pl.DataFrame, state: State
) -> Described:
    """Describe the topics that rows of a window have.

    Args:
        clean: The clean table.
        texts: Its m distinct texts.
        placed: Their topics; None where there are no texts.
        rows: The table's rows by the contract `clusters`.
        state: The registry.
    """
    records: list[dict[str, Any]] = []
    if placed is not None and state.anchors is not None:
        counts = _counts(rows)
        records = _records(clean, _Spoken(texts, placed, state.anchors), counts, state)
    known = [r["coherence"] for r in records if r["coherence"] is not None]
    themes = _themes(records, texts, placed, clean.height)
    silent = int((texts.of_row < 0).sum())
    if silent:
        records.append(_no_text(silent, clean.height))
    mean = round(float(np.mean(known)), 4) if known else None
    return Described(pl.DataFrame(records, _TOPICS), themes, mean)


@dataclass(frozen=True)
class _Spoken:
    """Distinct texts with their topics and the anchors these come from."""

    texts: Texts
    placed: Placed
    anchors: Anchors

    def members(self, topic: int) -> NDArray[np.intp]:
        return np.flatnonzero(self.placed.topics == topic)


def _counts(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows and outliers of each topic, largest first; ties by the lower number."""
    spoken = rows.filter(pl.col("topic") != NO_TEXT)
    counts = spoken.group_by("topic").agg(pl.len().alias("rows"), pl.col("outlier").sum())
    return counts.sort(["rows", "topic"], descending=[True, False])


def _records(
    clean: pl.DataFrame, spoken: _Spoken, counts: pl.DataFrame, state: State
) -> list[dict[str, Any]]:
    numbers = counts["topic"].to_list()
    place = {number: i for i, number in enumerate(numbers)}
    codes = np.array([place[t] for t in spoken.placed.topics.tolist()], np.int32)
    found = topic_terms(spoken.texts.texts, spoken.texts.rows, codes, len(numbers))
    listed = [[term.text for term in terms] for terms in found]
    together = coherence(spoken.texts.texts, listed)
    ids = clean["row_id"]
    records = []
    for (number, rows, outliers), terms, joined in zip(
        counts.iter_rows(), listed, together, strict=True
    ):
        topic, members = state.topics[number], spoken.members(number)
        centre = spoken.anchors.centre(number)
        chosen = {
            "typical": typical(spoken.texts, members, centre, terms),
            "central": central(spoken.texts, members, centre),
        }
        records.append(
            {
                "topic": number,
                "name": topic.name,
                "theme": topic.theme,
                "rows": rows,
                "share": rows / clean.height,
                "outliers": outliers,
                "terms": terms,
                "coherence": joined,
                "born": topic.born,
                "named_by": topic.named_by,
            }
            | {k: [ids[int(spoken.texts.first[t])] for t in v] for k, v in chosen.items()}
        )
    return records


def _no_text(silent: int, rows: int) -> dict[str, Any]:
    return {
        "topic": NO_TEXT,
        "name": NO_TEXT_NAME,
        "theme": NO_TEXT,
        "rows": silent,
        "share": silent / rows,
        "outliers": 0,
        "terms": [],
        "typical": [],
        "central": [],
        "coherence": None,
        "born": "",
        "named_by": WORDS,
    }


def _themes(
    records: list[dict[str, Any]], texts: Texts, placed: Placed | None, rows: int
) -> pl.DataFrame:
    """The themes, largest first, each named by the words of all its texts."""
    if placed is None or not records:
        return pl.DataFrame([], _THEMES)
    theme_of = {record["topic"]: record["theme"] for record in records}
    sizes: dict[int, int] = {}
    for record in records:
        sizes[record["theme"]] = sizes.get(record["theme"], 0) + record["rows"]
    ordered = sorted(sizes, key=lambda theme: (-sizes[theme], theme))
    place = {theme: i for i, theme in enumerate(ordered)}
    codes = np.array([place[theme_of[t]] for t in placed.topics.tolist()], np.int32)
    terms = topic_terms(texts.texts, texts.rows, codes, len(ordered))
    largest = [next(r["name"] for r in records if r["theme"] == theme) for theme in ordered]
    names = topic_names(terms, largest, [NO_TEXT_NAME])
    return pl.DataFrame(
        [
            {
                "theme": theme,
                "name": names[place[theme]],
                "topics": sum(r["theme"] == theme for r in records),
                "rows": sizes[theme],
                "share": sizes[theme] / rows,
            }
            for theme in ordered
        ],
        _THEMES,
    )
