"""The tables of results."""

from __future__ import annotations

from fusemine.tasks.core.contract import Contract, text

# What each stage adds comes after these, then the source's own columns.
RESULTS = Contract(
    "results", {"row_id": text(), "partition": text(), "label": text(nullable=True)}, open=True
)
