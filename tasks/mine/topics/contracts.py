"""The tables of the topics of a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.contract import Contract, boolean, integer, number, text, texts

if TYPE_CHECKING:
    import polars as pl

# `second` is the topic that would come next, `outlier` marks a text like no others.
CLUSTERS = Contract(
    "clusters",
    {
        "row_id": text(),
        "topic": integer(),
        "strength": number(nullable=True),
        "second": integer(nullable=True),
        "outlier": boolean(),
        "x": number(nullable=True),
        "y": number(nullable=True),
    },
)

# `typical` rows have most of the topic's terms, `central` ones the vectors nearest to its mean.
TOPICS = Contract(
    "topics",
    {
        "topic": integer(),
        "name": text(),
        "theme": integer(),
        "rows": integer(),
        "share": number(),
        "outliers": integer(),
        "terms": texts(),
        "typical": texts(),
        "central": texts(),
        "coherence": number(nullable=True),
        "born": text(),
        "named_by": text(),
    },
)

THEMES = Contract(
    "themes",
    {"theme": integer(), "name": text(), "topics": integer(), "rows": integer(), "share": number()},
)

# A topic's rows in each partition that has rows, with the 95 % interval of its share.
SHARES = Contract(
    "shares",
    {
        "topic": integer(),
        "partition": text(),
        "rows": integer(),
        "share": number(),
        "low": number(),
        "high": number(),
        "expected": number(nullable=True),
        "burst": boolean(),
    },
)

# How often a topic comes with a level of a category, against what chance would give.
CROSSED = Contract(
    "crossed",
    {
        "column": text(),
        "level": text(),
        "topic": integer(),
        "rows": integer(),
        "share": number(),
        "lift": number(),
        "notable": boolean(),
    },
)


def row_columns(rows: pl.DataFrame, topics: pl.DataFrame) -> pl.DataFrame:
    """The topics' part of the results: the name of each row's."""
    names = topics.select("topic", topic_name="name")
    named = rows.select("row_id", "topic").join(names, "topic", "left", maintain_order="left")
    return named.select("row_id", topic="topic_name")
