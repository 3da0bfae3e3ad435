"""The tables of the topics that there ever were."""

from __future__ import annotations

from typing import Any

import polars as pl

from fusemine.tasks.core.contract import Contract, Kind, integer, number, text, texts, vector

# What is known of every topic that there was, up to a partition.
REGISTRY = Contract(
    "registry",
    {
        "topic": integer(),
        "name": text(),
        "named_by": text(),
        "theme": integer(),
        "born": text(),
        "gone": text(nullable=True),
        "into": integer(nullable=True),
        "rows": integer(),
        "closeness": number(),
        "spread": number(),
        "terms": texts(),
        "named_for": texts(),
    },
)

# The texts that topics were made from: their vectors, topics and coordinates on the map.
ANCHORS = Contract(
    "anchors",
    {"vector": vector(), "topic": integer(), "x": number(), "y": number()},
)

EVENTS = Contract(
    "events",
    {
        "partition": text(),
        "kind": text(),
        "topic": integer(nullable=True),
        "name": text(),
        "other": integer(nullable=True),
        "other_name": text(nullable=True),
        "rows": integer(),
        "before": number(nullable=True),
        "now": number(nullable=True),
        "evidence": text(),
    },
)

_TYPES: dict[Kind, Any] = {
    Kind.STRING: pl.String,
    Kind.STRINGS: pl.List(pl.String),
    Kind.INTEGER: pl.Int64,
    Kind.FLOAT: pl.Float64,
    Kind.BOOLEAN: pl.Boolean,
}
_NARROW: dict[str, Any] = {
    **dict.fromkeys(("topic", "second", "theme", "into", "other"), pl.Int32),
    **dict.fromkeys(("strength", "x", "y"), pl.Float32),
}


def polars_schema(contract: Contract) -> dict[str, Any]:
    """The polars types of the columns of a table on topics; their numbers are of 32 bits."""
    return {
        name: _NARROW.get(name, _TYPES[column.kind]) for name, column in contract.columns.items()
    }
