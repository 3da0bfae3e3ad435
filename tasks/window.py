"""The rows that one run mines: its window's partitions, as they were known at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from tasks import vectors
from tasks.artifacts import ArtifactRef, read_frame, read_table
from tasks.collect.assign import removed_rows, row_json
from tasks.contracts import CLEAN, EMBEDDINGS
from tasks.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True)
class WindowRules:
    """What bounds a window besides its partitions.

    Args:
        end: The first moment (UTC) after the window; None without a time column.
        repeated_id: Which row stays when an id comes in several partitions.
        timezone: Zone of the calendar.
    """

    end: datetime | None
    repeated_id: Literal["first", "newest"]
    timezone: str = "UTC"


@dataclass(frozen=True)
class Window:
    """The rows of a window.

    Args:
        clean: Rows by the contract `clean`, oldest partition first.
        matrix: Their vectors, float32 of shape (rows, dimension).
        rejected: Rows of its partitions that the window leaves out.
    """

    clean: pl.DataFrame
    matrix: np.ndarray
    rejected: pl.DataFrame


def window_inputs(
    cleaned: Sequence[ArtifactRef], embedded: Sequence[ArtifactRef], rules: WindowRules
) -> tuple[str, ...]:
    """What a key takes from a window."""
    refs = [*cleaned, *embedded]
    return (*(ref.sha256 for ref in refs), str(rules.end), rules.repeated_id, rules.timezone)


def read_window(
    cleaned: Sequence[ArtifactRef], embedded: Sequence[ArtifactRef], rules: WindowRules
) -> Window:
    """Read the partitions of a window, oldest first, and leave out what it may not hold.

    Raises:
        ContractError: Vectors and rows do not belong together.
    """
    clean = pl.concat([read_frame(ref, CLEAN) for ref in cleaned], how="diagonal_relaxed")
    tables = [read_table(ref, EMBEDDINGS) for ref in embedded]
    ids = [name for table in tables for name in table.column("row_id").to_pylist()]
    if ids != clean.get_column("row_id").to_list():
        raise ContractError(
            got="embeddings whose row ids are not those of the cleaned rows",
            expected="one vector per cleaned row, in the same order",
            fix="remove the embed folder below the root and run again",
        )
    matrix = np.concatenate([vectors.read_units(table) for table in tables])
    return _bound(clean, matrix, rules)


def _bound(clean: pl.DataFrame, matrix: np.ndarray, rules: WindowRules) -> Window:
    late = _late(clean, rules.end)
    repeated = _repeated(clean, late, rules.repeated_id)
    keep = ~(late | repeated)
    rejected = [
        *_removed(clean.filter(late), "known_later", "not known yet at the end of the window"),
        *_removed(
            clean.filter(repeated), "repeated_id", f"kept the {rules.repeated_id} row of this id"
        ),
    ]
    return Window(clean.filter(keep), matrix[keep.to_numpy()], removed_rows(rejected))


def _late(clean: pl.DataFrame, end: datetime | None) -> pl.Series:
    if end is None:
        return pl.Series([False] * clean.height, dtype=pl.Boolean)
    return (clean.get_column("known_at") >= end).fill_null(value=False)


def _repeated(clean: pl.DataFrame, late: pl.Series, keep: str) -> pl.Series:
    """Rows whose id another known row has taken; partitions come oldest first."""
    mark = "is_first_distinct" if keep == "first" else "is_last_distinct"
    known = clean.with_row_index("number").filter(~late)
    stays = known.filter(getattr(pl.col("row_id"), mark)()).get_column("number")
    numbers = pl.Series(range(clean.height), dtype=pl.UInt32)
    return ~numbers.is_in(stays.implode()) & ~late


def _removed(rows: pl.DataFrame, rule: str, reason: str) -> list[tuple[str, str, str, str, str]]:
    shown = rows.with_columns(pl.col("event_time", "known_at").cast(pl.String))
    pairs = zip(rows.get_column("row_id"), row_json(shown), strict=True)
    return [(row_id, "fuse", rule, reason, row) for row_id, row in pairs]
