"""The tables of predictions and likely label errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.contract import Contract, integer, number, text

if TYPE_CHECKING:
    import polars as pl

PROBABILITY = "probability."
"""Prefix of the columns that are named after classes."""

# A row that is left undecided has no prediction, and a number no probability.
PREDICTIONS = Contract(
    "predictions",
    {
        "row_id": text(),
        "split": text(),
        "label": text(nullable=True),
        "prediction": text(nullable=True),
        "probability": number(nullable=True),
    },
    prefixes={PROBABILITY: number()},
)

# Rows whose label may be wrong, the likeliest errors first; `alike` is a row of the same content.
LABEL_ERRORS = Contract(
    "doubts",
    {
        "row_id": text(),
        "rank": integer(),
        "kind": text(),
        "label": text(),
        "suggested": text(nullable=True),
        "confidence": number(nullable=True),
        "alike": text(nullable=True),
    },
)


def row_columns(predictions: pl.DataFrame) -> pl.DataFrame:
    """The columns of the predictions that the results hold."""
    return predictions.select("row_id", "prediction", "probability", "split")
