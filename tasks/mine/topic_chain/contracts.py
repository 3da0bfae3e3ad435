"""The tables of the topics that there ever were."""

from __future__ import annotations

from fusemine.tasks.core.contract import Contract, integer, number, text, texts, vector

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

# The texts that topics were made from: their vectors, topics and places on the map.
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
