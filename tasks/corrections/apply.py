"""Corrected labels, put in place of those that the table has.

Corrections are what people know today, and the one exception to «as of P»: a run for a past date
uses them although nobody had made them then, because a wrong label is wrong at any date. The
summary of learning counts the labels that were corrected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.clean.cells import mark_duplicates

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Corrections:
    """The corrections that concern a window.

    Args:
        labels: The corrected label of each row of its partitions that has one, by row id.
        unknown: How many corrections name no row of the whole table.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    unknown: int = 0


@dataclass(frozen=True)
class Corrected:
    """Rows with corrected labels.

    Args:
        rows: The rows by the contract `clean`, in their order.
        counts: How many corrections were `applied`, left their label `unchanged` because it is
            the same, or are `unknown`, because they name no row of the table or one that is left
            out here; those of rows in other partitions are not counted.
    """

    rows: pl.DataFrame
    counts: dict[str, int]


def correct_labels(clean: pl.DataFrame, corrections: Corrections) -> Corrected:
    """Put corrected labels in place of a table's own, and mark duplicates again.

    Args:
        clean: Rows by the contract `clean`.
        corrections: The corrections that concern them.
    """
    labels = corrections.labels
    given = clean["row_id"].replace_strict(
        list(labels), list(labels.values()), default=None, return_dtype=pl.String
    )
    changed = given.is_not_null() & given.ne_missing(clean["label"])
    found, applied = given.len() - given.null_count(), int(changed.sum())
    unknown = len(labels) - found
    counts = {"applied": applied, "unchanged": found - applied, "unknown": unknown}
    if not applied:
        return Corrected(clean, counts)
    rows = clean.with_columns(label=pl.coalesce(given, pl.col("label")))
    # Rows that differed only by a wrong label are duplicates now, and must stay together.
    return Corrected(mark_duplicates(rows), counts)
