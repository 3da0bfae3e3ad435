"""The rows that one run mines: its window's partitions, as they were known at its end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from fusemine.tasks.collect.assign import removed_rows, row_json
from fusemine.tasks.core import vectors
from fusemine.tasks.core.artifact import ArtifactRef, read_frame, read_table
from fusemine.tasks.core.contract import CLEAN, EMBEDDINGS
from fusemine.tasks.core.errors import ContractError

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


def read_new(
    cleaned: Sequence[ArtifactRef],
    embedded: Sequence[ArtifactRef],
    rules: WindowRules,
    since: datetime | None,
) -> Window:
    """The rows of a window that are new in it: its last partition's, and those known only now.

    Only the partitions that hold such rows are read whole.

    Args:
        cleaned: The cleaned partitions of the window.
        embedded: Their vectors.
        rules: What bounds the window.
        since: The end of the window before; rows known before it are not new.
    """
    ids = [_ids(ref) for ref in cleaned]
    sizes, narrow = [frame.height for frame in ids], pl.concat(ids)
    of_row = np.repeat(np.arange(len(ids)), sizes)
    new = of_row == len(ids) - 1
    if since is not None:
        new |= (narrow.get_column("known_at") >= since).fill_null(value=False).to_numpy()
    new &= _kept(narrow, rules).to_numpy()
    wanted = sorted({*of_row[new].tolist(), len(ids) - 1})
    whole = [read_window(cleaned[p : p + 1], embedded[p : p + 1], _unbound(rules)) for p in wanted]
    some = new[np.isin(of_row, wanted)]
    clean = pl.concat([window.clean for window in whole], how="diagonal_relaxed")
    matrix = np.concatenate([window.matrix for window in whole])
    return Window(clean.filter(pl.Series(some)), matrix[some], removed_rows([]))


def _unbound(rules: WindowRules) -> WindowRules:
    return WindowRules(None, rules.repeated_id, rules.timezone)


@lru_cache(maxsize=10_000)
def _ids(cleaned: ArtifactRef) -> pl.DataFrame:
    """What bounds the rows of a partition; asked for by every later partition of a chain."""
    return read_frame(cleaned, CLEAN).select("row_id", "known_at")


def _kept(clean: pl.DataFrame, rules: WindowRules) -> pl.Series:
    late = _late(clean, rules.end)
    return ~(late | _repeated(clean, late, rules.repeated_id))


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
