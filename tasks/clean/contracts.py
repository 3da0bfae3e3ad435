"""The tables of cleaned rows."""

from __future__ import annotations

from fusemine.tasks.core.contract import Contract, boolean, number, text, time
from fusemine.tasks.table.roles import CATEGORY, NUMBER, TEXT

CLEAN = Contract(
    "clean",
    {
        "row_id": text(),
        "partition": text(),
        "event_time": time(nullable=True),
        "known_at": time(nullable=True),
        "text": text(),
        "has_text": boolean(),
        "label": text(nullable=True),
        "duplicate_of": text(nullable=True),
    },
    prefixes={
        TEXT: text(),
        CATEGORY: text(nullable=True),
        NUMBER: number(nullable=True),
    },
    # A number that is the label stands in `label` as text, so that the column has one kind.
    optional={"group": text(nullable=True), "split": text(nullable=True)},
)
