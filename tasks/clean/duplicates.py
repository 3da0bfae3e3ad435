"""Exact duplicates: rows that are alike in all that is mined of them."""

from __future__ import annotations

import polars as pl

# What a row is called, when it was known, and whom and what it is for do not make it another row:
# a copy under another group or split would still give away the label of the first.
_BESIDE = frozenset({"row_id", "known_at", "has_text", "group", "split", "duplicate_of"})


def mark_duplicates(table: pl.DataFrame) -> pl.DataFrame:
    """Name for each row the first one of its partition that is like it, null for that one itself.

    Rows are alike if time, texts, categories, numbers and label are.
    """
    alike = [name for name in table.columns if name not in _BESIDE]
    first = pl.col("row_id").first().over(alike)
    return table.with_columns(duplicate_of=pl.when(first != pl.col("row_id")).then(first))
