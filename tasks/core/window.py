"""The rows of a window: those of its partitions, as they were known at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from fusemine.tasks.core import vectors
from fusemine.tasks.core.contract import Contract, rejected_rows, row_json, text, time
from fusemine.tasks.core.errors import ContractError
from fusemine.tasks.core.storage.artifact import read_frame, read_table, scan_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from fusemine.tasks.core.storage.artifact import ArtifactRef

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
    """The rows of some partitions, of which only what is used is read.

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
            columns: Names, or prefixes followed by a `*`; all columns by default.
        """
        parts = [scan_table(ref, self.contract, columns=columns) for ref in self.cleaned]
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
        joined = np.concatenate([self._matrix(number) for number in range(len(self.embedded))])
        return joined if self._kept.all() else joined[self._kept]

    def rows(self) -> Rows:
        """The rows and their vectors, read.

        Raises:
            ContractError: Vectors and rows do not belong together.
        """
        return Rows(self.frame(), self.vectors())

    def new(self) -> Rows:
        """The rows that are new in it: its last partition's, and those known only since.

        Only the partitions that hold such rows are read whole.
        """
        last = len(self._ids) - 1
        # The number of the partition of each row; of the last one all rows are new.
        partition = np.repeat(np.arange(last + 1), [ids.height for ids in self._ids])
        new = partition == last
        if self.rules.since is not None:
            known = self._bounds.get_column("known_at")
            new |= (known >= self.rules.since).fill_null(value=False).to_numpy()
        new &= self._kept
        # Whole partitions are read, then cut down to their new rows.
        wanted = sorted({*partition[new].tolist(), last})
        some = new[np.isin(partition, wanted)]
        matrix = np.concatenate([self._matrix(number) for number in wanted])
        return Rows(self._whole(wanted).filter(pl.Series(some)), matrix[some])

    def rejected(self) -> pl.DataFrame:
        """The rows of its partitions that it leaves out, by the contract `rejected`."""
        if self._kept.all():
            return rejected_rows([])
        whole = self._whole(range(len(self.cleaned)))
        late, kept = whole.filter(self._late), f"kept the {self.rules.repeated_id} row of this id"
        parts = (
            _rejected(late, "known_later", "not known yet at the end of the window"),
            _rejected(whole.filter(self._repeated), "repeated_id", kept),
        )
        return pl.concat(parts, rechunk=True)

    def _whole(self, numbers: Iterable[int]) -> pl.DataFrame:
        """All rows of some of the partitions, whether they are in the window or not."""
        frames = [read_frame(self.cleaned[number], self.contract) for number in numbers]
        return pl.concat(frames, how="diagonal_relaxed")

    def _matrix(self, number: int) -> np.ndarray:
        """The vectors of one partition, float32 (rows, dimension), of rows left out too."""
        ref = self.embedded[number]
        table = read_table(ref, self.vectors_contract)
        if table.column("row_id").to_pylist() != self._ids[number]["row_id"].to_list():
            raise ContractError(
                got=f"vectors of {ref.name} whose row ids are not those of the cleaned rows",
                expected="one vector per cleaned row, in the same order",
                fix=f"remove the folder {ref.stage} below the root and run again",
            )
        return vectors.read_embeddings(table)

    @cached_property
    def _ids(self) -> list[pl.DataFrame]:
        return [_bounding(ref) for ref in self.cleaned]

    @cached_property
    def _bounds(self) -> pl.DataFrame:
        return pl.concat(self._ids)

    @cached_property
    def _kept(self) -> np.ndarray:
        return np.asarray(~(self._late | self._repeated).to_numpy())

    @cached_property
    def _late(self) -> pl.Series:
        known = self._bounds.get_column("known_at")
        if self.rules.end is None:
            return pl.Series([False] * len(known), dtype=pl.Boolean)
        return (known >= self.rules.end).fill_null(value=False)

    @cached_property
    def _repeated(self) -> pl.Series:
        """Rows whose id another known row has taken; partitions come oldest first."""
        ids = self._bounds.with_row_index("number")
        mark = "is_first_distinct" if self.rules.repeated_id == "first" else "is_last_distinct"
        known = ids.filter(~self._late)
        stays = known.filter(getattr(pl.col("row_id"), mark)()).get_column("number")
        return ~ids.get_column("number").is_in(stays.implode()) & ~self._late


@lru_cache(maxsize=10_000)
def _bounding(cleaned: ArtifactRef) -> pl.DataFrame:
    """What bounds the rows of a partition; every later partition of a chain reads it again."""
    return read_frame(cleaned, BOUNDING, columns=list(BOUNDING.columns))


def _rejected(rows: pl.DataFrame, rule: str, reason: str) -> pl.DataFrame:
    shown = row_json(rows.with_columns(pl.col("event_time", "known_at").cast(pl.String)))
    stated = {"stage": "fuse", "rule": rule, "reason": reason}
    texts = {name: pl.lit(text, pl.String) for name, text in stated.items()}
    return rows.select("row_id", **texts, row=shown)
