"""The rows of a window: those of its partitions, as they were known at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from fusemine.tasks.core import vectors
from fusemine.tasks.core.artifact import column_names, locate, read_frame, read_table
from fusemine.tasks.core.contract import Contract, removed_rows, row_json, text, time
from fusemine.tasks.core.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from fusemine.tasks.core.artifact import ArtifactRef

BOUNDING = Contract("rows", {"row_id": text(), "known_at": time(nullable=True)}, open=True)
"""The columns that decide whether a row is in a window."""


@dataclass(frozen=True)
class WindowRules:
    """What bounds a window besides its partitions.

    Args:
        end: The first moment (UTC) after the window; None without a time column.
        repeated_id: Which row stays when an id comes in several partitions.
        timezone: Zone of the calendar.
        since: The end of the window before: rows that were known by then are not new.
    """

    end: datetime | None
    repeated_id: Literal["first", "newest"] = "first"
    timezone: str = "UTC"
    since: datetime | None = None

    def key_values(self) -> dict[str, Any]:
        """All of it, JSON-ready, for a key."""
        return {name: value if value is None else str(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Rows:
    """Rows and the vectors of their texts.

    Args:
        clean: n rows, oldest partition first.
        matrix: Their vectors, float32 (n, dimension), of length 1 or all zero.
    """

    clean: pl.DataFrame
    matrix: np.ndarray


@dataclass(frozen=True)
class Window:
    """The rows of some partitions, of which only what is asked for is read.

    Args:
        cleaned: Artifacts with the rows of each partition, oldest first.
        embedded: Artifacts with the vectors of the same rows, in the same order.
        rules: What bounds it.
        contract: Of the rows.
        vectors_contract: Of the vectors.
    """

    cleaned: tuple[ArtifactRef, ...]
    embedded: tuple[ArtifactRef, ...]
    rules: WindowRules
    contract: Contract = field(repr=False)
    vectors_contract: Contract = field(repr=False)

    def scan(self, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """The rows, oldest partition first, read only where they are used.

        Args:
            columns: Names, or beginnings with a `*` behind them; all columns by default.
        """
        parts = [_scanned(ref, self.contract, columns) for ref in self.cleaned]
        joined = pl.concat(parts, how="diagonal_relaxed")
        if self._kept.all():
            return joined
        lost = np.flatnonzero(~self._kept)
        row = pl.int_range(pl.len(), dtype=pl.Int64)
        return joined.filter(~row.is_in(pl.Series(lost, dtype=pl.Int64).implode()))

    def frame(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows, read."""
        return self.scan(columns).collect()

    def vectors(self) -> np.ndarray:
        """The vectors of the rows' texts, float32 (n, dimension).

        Raises:
            ContractError: Vectors and rows do not belong together.
        """
        parts = [
            _vectors(ref, self.vectors_contract, self._ids[place]["row_id"])
            for place, ref in enumerate(self.embedded)
        ]
        joined = np.concatenate(parts)
        return joined if self._kept.all() else joined[self._kept]

    def rows(self) -> Rows:
        """All of it."""
        return Rows(self.frame(), self.vectors())

    def new(self) -> Rows:
        """The rows that are new in it: its last partition's, and those known only since.

        Only the partitions that hold such rows are read whole.
        """
        sizes = [ids.height for ids in self._ids]
        of_row = np.repeat(np.arange(len(sizes)), sizes)
        new = of_row == len(sizes) - 1
        if self.rules.since is not None:
            known = pl.concat(self._ids).get_column("known_at")
            new |= (known >= self.rules.since).fill_null(value=False).to_numpy()
        new &= self._kept
        wanted = sorted({*of_row[new].tolist(), len(sizes) - 1})
        some = new[np.isin(of_row, wanted)]
        frames = [read_frame(self.cleaned[place], self.contract) for place in wanted]
        matrices = [
            _vectors(self.embedded[place], self.vectors_contract, self._ids[place]["row_id"])
            for place in wanted
        ]
        clean = pl.concat(frames, how="diagonal_relaxed").filter(pl.Series(some))
        return Rows(clean, np.concatenate(matrices)[some])

    def rejected(self) -> pl.DataFrame:
        """The rows of its partitions that it leaves out, by the contract `rejected`."""
        late, repeated = self._late, self._repeated
        if self._kept.all():
            return removed_rows([])
        whole = pl.concat(
            [read_frame(ref, self.contract) for ref in self.cleaned], how="diagonal_relaxed"
        )
        known_later = _removed(
            whole.filter(late), "known_later", "not known yet at the end of the window"
        )
        reason = f"kept the {self.rules.repeated_id} row of this id"
        return removed_rows(
            [*known_later, *_removed(whole.filter(repeated), "repeated_id", reason)]
        )

    @cached_property
    def _ids(self) -> list[pl.DataFrame]:
        return [_bounding(ref) for ref in self.cleaned]

    @cached_property
    def _kept(self) -> np.ndarray:
        return np.asarray(~(self._late | self._repeated).to_numpy())

    @cached_property
    def _late(self) -> pl.Series:
        known = pl.concat(self._ids).get_column("known_at")
        if self.rules.end is None:
            return pl.Series([False] * len(known), dtype=pl.Boolean)
        return (known >= self.rules.end).fill_null(value=False)

    @cached_property
    def _repeated(self) -> pl.Series:
        """Rows whose id another known row has taken; partitions come oldest first."""
        ids = pl.concat(self._ids).with_row_index("number")
        mark = "is_first_distinct" if self.rules.repeated_id == "first" else "is_last_distinct"
        known = ids.filter(~self._late)
        stays = known.filter(getattr(pl.col("row_id"), mark)()).get_column("number")
        return ~ids.get_column("number").is_in(stays.implode()) & ~self._late


@lru_cache(maxsize=10_000)
def _bounding(cleaned: ArtifactRef) -> pl.DataFrame:
    """What bounds the rows of a partition; asked for by every later partition of a chain."""
    return read_frame(cleaned, BOUNDING, columns=list(BOUNDING.columns))


def _scanned(ref: ArtifactRef, contract: Contract, columns: Sequence[str] | None) -> pl.LazyFrame:
    names = column_names(ref)
    contract.check_names(names)
    scanned = pl.scan_parquet(locate(ref, "part-00000.parquet"))
    return scanned if columns is None else scanned.select(chosen(names, columns))


def chosen(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The names that are wanted, in their own order; a `*` stands for any ending.

    >>> chosen(["row_id", "category.sky", "number.speed"], ["row_id", "category.*"])
    ['row_id', 'category.sky']
    """
    starts = tuple(name[:-1] for name in wanted if name.endswith("*"))
    return [name for name in names if name in wanted or (starts and name.startswith(starts))]


def _vectors(ref: ArtifactRef, contract: Contract, ids: pl.Series) -> np.ndarray:
    table = read_table(ref, contract)
    if table.column("row_id").to_pylist() != ids.to_list():
        raise ContractError(
            got=f"vectors of {ref.name} whose row ids are not those of the cleaned rows",
            expected="one vector per cleaned row, in the same order",
            fix=f"remove the folder {ref.stage} below the root and run again",
        )
    return vectors.read_units(table)


def _removed(rows: pl.DataFrame, rule: str, reason: str) -> list[tuple[str, str, str, str, str]]:
    shown = rows.with_columns(pl.col("event_time", "known_at").cast(pl.String))
    pairs = zip(rows.get_column("row_id"), row_json(shown), strict=True)
    return [(row_id, "fuse", rule, reason, row) for row_id, row in pairs]
