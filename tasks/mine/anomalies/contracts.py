"""The tables of unusual rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.contract import Contract, boolean, integer, number, text, texts

if TYPE_CHECKING:
    import polars as pl

ANOMALIES = Contract(
    "anomalies",
    {
        "row_id": text(),
        "rank": integer(),
        "score": number(),
        "p_value": number(),
        "text_score": number(nullable=True),
        "table_score": number(nullable=True),
        "match_score": number(nullable=True),
        "time_score": number(nullable=True),
        "new": boolean(),
        "flagged": boolean(),
        "group": integer(nullable=True),
        "reason": text(nullable=True),
        "near": texts(nullable=True),
    },
)

# Groups of rows with nearly the same text, such as templates, junk and spam; `example` is the id of
# one of the rows.
REPEATS = Contract(
    "repeats",
    {
        "group": integer(),
        "rows": integer(),
        "texts": integer(),
        "share": number(),
        "first": text(),
        "last": text(),
        "peak": text(),
        "peak_rows": integer(),
        "example": text(),
        "text": text(),
        "burst": boolean(),
    },
)

# Groups with far more rows in a partition than the earlier ones make one expect: `kind` is `burst`
# or `level shift`, and 95 % of the counts usually lie from `low` to `high`.
BURSTS = Contract(
    "bursts",
    {
        "column": text(),
        "level": text(),
        "partition": text(),
        "rows": integer(),
        "expected": number(),
        "low": integer(),
        "high": integer(),
        "kind": text(),
        "p_value": number(),
    },
)


def row_columns(anomalies: pl.DataFrame) -> pl.DataFrame:
    """What the results hold of anomalies, which may be those of scored rows."""
    return anomalies.select(
        "row_id", anomaly_score="score", anomaly_flagged="flagged", anomaly_reason="reason"
    )
