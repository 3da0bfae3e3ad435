"""The topics of a window: their terms, their texts, their themes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.mine.topic_chain.contracts import polars_schema
from fusemine.tasks.mine.topic_chain.grouping.quality import coherence
from fusemine.tasks.mine.topic_chain.naming.examples import central, typical
from fusemine.tasks.mine.topic_chain.naming.terms import topic_names, topic_terms
from fusemine.tasks.mine.topic_chain.registry import NO_TEXT, NO_TEXT_NAME, WORDS, Topic
from fusemine.tasks.mine.topics.contracts import THEMES, TOPICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.naming.terms import Term
    from fusemine.tasks.mine.topic_chain.reference_texts import Assignments
    from fusemine.tasks.mine.topic_chain.registry import State
    from fusemine.tasks.text.distinct import Texts

Records = list[dict[str, Any]]


def describe(
    clean: pl.DataFrame,
    texts: Texts,
    assigned: Assignments | None,
    rows: pl.DataFrame,
    state: State,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Describe the topics that rows of a window have, and their themes.

    Args:
        clean: The clean table.
        texts: Its m distinct texts.
        assigned: Their topics; None where there are no texts.
        rows: The table's rows by the contract `clusters`.
        state: The registry.

    Returns:
        The topics and the themes by the contracts of these names, the largest first; rows without
        a text come last among the topics.
    """
    records = [] if assigned is None else _topics(clean, texts, assigned, rows, state)
    themes = [] if assigned is None else _themes(records, texts, assigned.topics, clean.height)
    silent = int((texts.of_row < 0).sum())
    if silent:
        no_text = Topic(NO_TEXT, NO_TEXT_NAME, WORDS, NO_TEXT, "", silent, 0.0, 0.0)
        records.append(_record(no_text, silent, 0, clean.height))
    return pl.DataFrame(records, polars_schema(TOPICS)), pl.DataFrame(themes, polars_schema(THEMES))


def _topics(
    clean: pl.DataFrame, texts: Texts, assigned: Assignments, rows: pl.DataFrame, state: State
) -> Records:
    references, ids = state.references, clean["row_id"]
    assert references is not None  # noqa: S101  (texts get their topics from them)
    counted = rows.filter(pl.col("topic") != NO_TEXT).group_by("topic")
    counts = counted.agg(pl.len().alias("rows"), pl.col("outlier").sum())
    counts = counts.sort(["rows", "topic"], descending=[True, False])
    found = _terms(texts, assigned.topics.tolist(), counts["topic"].to_list())
    listed = [[term.text for term in terms] for terms in found]
    records = []
    for (number, size, outliers), terms, value in zip(
        counts.iter_rows(), listed, coherence(texts.texts, listed), strict=True
    ):
        members, centre = np.flatnonzero(assigned.topics == number), references.centre(number)
        record = _record(state.topics[number], size, outliers, clean.height)
        record |= {"terms": terms, "coherence": value}
        for kind, places in (
            ("typical", typical(texts, members, centre, terms)),
            ("central", central(texts, members, centre)),
        ):
            record[kind] = [ids[int(texts.first[place])] for place in places]
        records.append(record)
    return records


def _record(topic: Topic, rows: int, outliers: int, total: int) -> dict[str, Any]:
    """A topic without its terms and texts."""
    return {
        "topic": topic.topic,
        "name": topic.name,
        "theme": topic.theme,
        "rows": rows,
        "share": rows / total,
        "outliers": outliers,
        "terms": [],
        "typical": [],
        "central": [],
        "coherence": None,
        "born": topic.born,
        "named_by": topic.named_by,
    }


def _terms(texts: Texts, groups: Sequence[int], order: Sequence[int]) -> list[list[Term]]:
    """The terms of each topic or theme, in their order, from the one of each text."""
    place = {number: i for i, number in enumerate(order)}
    codes = np.array([place[number] for number in groups], np.int32)
    return topic_terms(texts.texts, texts.rows, codes, len(order))


def _themes(records: Records, texts: Texts, topics: NDArray[np.int32], rows: int) -> Records:
    """The themes, largest first, each named by the words of all its texts."""
    theme_of = {record["topic"]: record["theme"] for record in records}
    # Rows of this window, which may differ from those that the registry counts.
    sizes: Counter[int] = Counter()
    for record in records:
        sizes[record["theme"]] += record["rows"]
    ordered = sorted(sizes, key=lambda theme: (-sizes[theme], theme))
    terms = _terms(texts, [theme_of[t] for t in topics.tolist()], ordered)
    # A theme without words of its own has the name of its largest topic.
    largest = [next(r["name"] for r in records if r["theme"] == theme) for theme in ordered]
    names = topic_names(terms, largest, [NO_TEXT_NAME])
    return [
        {
            "theme": theme,
            "name": name,
            "topics": sum(r["theme"] == theme for r in records),
            "rows": sizes[theme],
            "share": sizes[theme] / rows,
        }
        for theme, name in zip(ordered, names, strict=True)
    ]
