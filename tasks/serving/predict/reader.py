"""Reads new rows for a model in batches: identified and cleaned as training rows are.

Of earlier batches it keeps only what two rows must not share: eight bytes of each id, counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.clean.compute import clean
from fusemine.tasks.collect.assign import (
    assign_partitions,
    reject_malformed,
    rejections,
    row_hashes,
    stored_name,
)
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.collect.forgotten import blank_forgotten, forgotten_records, is_forgotten
from fusemine.tasks.core.contract import rejected_rows
from fusemine.tasks.core.errors import SourceError, nearest
from fusemine.tasks.table.cells import as_text
from fusemine.tasks.table.roles import CATEGORY, NUMBER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusemine.tasks.serving.input_contract import InputContract
    from fusemine.tasks.sources.source import Batch

ENOUGH = 20
"""From so many cells of a category on it is suspicious if none of their levels is known."""


@dataclass(frozen=True)
class CleanBatch:
    """Some rows of a file.

    Attributes:
        raw: The kept rows as the file has them, by the contract `raw`.
        clean: The same, cleaned, in the same order.
        rejected: The others, each with its reason.
    """

    raw: pl.DataFrame
    clean: pl.DataFrame
    rejected: pl.DataFrame


class KeyCounter:
    """Counts keys, in eight bytes for each distinct one and four for its count."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.uint64)
        self._counts = np.empty(0, np.uint32)

    def count(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """How often each key came before, (n,), in earlier calls and in this one.

        Args:
            keys: (n,) hashes; two keys with the same hash are taken for the same.

        >>> counter = KeyCounter()
        >>> counter.count(np.array([7, 8, 7], np.uint64)), counter.count(np.array([7], np.uint64))
        (array([0, 0, 1]), array([2]))
        """
        distinct, of_key, new = np.unique(keys, return_inverse=True, return_counts=True)
        # Look the keys up among the known ones, which are sorted.
        place = np.searchsorted(self._keys, distinct)
        known = np.zeros(len(distinct), bool)
        inside = place < len(self._keys)
        known[inside] = self._keys[place[inside]] == distinct[inside]
        before = np.zeros(len(distinct), np.int64)
        before[known] = self._counts[place[known]]
        # Add the counts of known keys, and insert new keys in their order.
        self._counts[place[known]] += new[known].astype(np.uint32)
        self._keys = np.insert(self._keys, place[~known], distinct[~known])
        self._counts = np.insert(self._counts, place[~known], new[~known].astype(np.uint32))
        # The place of each key among those of this call that are the same.
        nth = pl.DataFrame({"key": keys}).select(pl.int_range(pl.len()).over("key")).to_series()
        return np.asarray(before[of_key] + nth.to_numpy())


@dataclass
class RowReader:
    """Reads the rows of one file, one batch after the other.

    Args:
        contract: How they are read.
    """

    contract: InputContract
    records: int = field(default=0, init=False)
    filled: Counter[str] = field(default_factory=Counter, init=False)
    unreadable: Counter[str] = field(default_factory=Counter, init=False)
    unseen: Counter[str] = field(default_factory=Counter, init=False)
    _ids: KeyCounter = field(default_factory=KeyCounter, init=False)

    def read(self, batch: Batch) -> CleanBatch:
        """Read the next batch of the file.

        Raises:
            SourceError: A column that the model reads is missing.
        """
        _check_header(batch, self.contract)
        contract, columns = self.contract, self.contract.columns
        id_column = None if columns.id is None else stored_name(columns.id)
        placed, lost = assign_partitions(batch, columns, contract.by)
        if id_column is not None:
            # Rows without a readable time go by their own ids, where they have one.
            ids = as_text(placed.filter(pl.col("partition").is_null()).get_column(id_column))
            lost = lost.with_columns(row_id=ids.fill_null(lost["row_id"]))
        self.records += placed.height + len(batch.malformed)
        removed = pl.concat([reject_malformed(batch), lost])
        raw, repeated = self._identify(placed.drop_nulls("partition"), id_column)
        cleaned = clean(raw, columns, contract.cleaning, contract.by.timezone)
        self._count(cleaned.rows, cleaned.unreadable)
        kept, empty = _split_empty(cleaned.rows, raw)
        removed = blank_forgotten(removed, id_column, contract.forgotten)
        rejected = pl.concat([removed, repeated, cleaned.rejected, empty])
        return CleanBatch(raw.filter(raw["row_id"].is_in(kept["row_id"].implode())), kept, rejected)

    def _identify(
        self, placed: pl.DataFrame, id_column: str | None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows with their id, by the contract `raw`, and those that are rejected for theirs."""
        hashes, own = row_hashes(placed)
        named = pl.Series([None] * placed.height, dtype=pl.String)
        if id_column is not None:
            named = as_text(own.get_column(id_column))
        earlier = pl.Series(self._ids.count(named.fill_null(hashes).hash().to_numpy()))
        ids = named.fill_null(hashes + "-" + earlier.cast(pl.String))
        gone = is_forgotten(ids, self.contract.forgotten)
        twice = named.is_not_null() & (earlier > 0) & ~gone
        why = ("collect", "repeated_id", "the id came before in this file")
        records = forgotten_records(ids.filter(gone)) + rejections(ids, own, twice, why)
        order = ["row_id", "partition", "source", *own.columns]
        raw = placed.with_columns(row_id=ids).filter(~(gone | twice)).select(order)
        return raw, rejected_rows(records)

    def _count(self, clean: pl.DataFrame, unreadable: Mapping[str, int]) -> None:
        for name in self.contract.columns.number:
            there = clean.height - clean[NUMBER + name].null_count()
            self.filled[name] += there + unreadable.get(name, 0)
            self.unreadable[name] += unreadable.get(name, 0)
        for name, levels in self.contract.levels.items():
            column = clean[CATEGORY + name].drop_nulls()
            self.filled[name] += len(column)
            self.unseen[name] += len(column) - int(column.is_in(levels).sum())

    def check(self, name: str) -> None:
        """Refuse a file, at its end, whose columns do not hold what they held in training.

        Raises:
            SourceError: There is no record, a column of numbers has none, or a category has none
                of the levels that there were in training.
        """
        if not self.records:
            raise SourceError(
                got=f"file {name!r} has no rows",
                expected="rows to score",
                fix="check how the file was made",
            )
        for column in self.contract.columns.number:
            if self.unreadable[column] and self.unreadable[column] == self.filled[column]:
                raise self._mismatch(name, column, "is a number")
        for column in self.contract.levels:
            if self.filled[column] >= ENOUGH and self.unseen[column] == self.filled[column]:
                raise self._mismatch(name, column, "was there in training")

    def _mismatch(self, name: str, column: str, what: str) -> SourceError:
        return SourceError(
            got=f"file {name!r}: column {column!r}, and none of its {self.filled[column]:,} values "
            f"{what}",
            expected="the columns that the model was trained with, each with what it held then",
            fix="check whether columns were mixed up or recoded; if the table has changed, train a "
            "model on it",
        )

    def notes(self) -> dict[str, dict[str, int]]:
        """Cells that could not be read as numbers, and those of unseen levels, by column."""
        counts = {"unreadable_numbers": self.unreadable, "unseen_levels": self.unseen}
        return {what: {n: c for n, c in found.items() if c} for what, found in counts.items()}


def _check_header(batch: Batch, contract: InputContract) -> None:
    header, required = batch.frame.columns, list(dict.fromkeys(contract.required()))
    missing = [name for name in required if name not in header]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise SourceError(
            got=f"file {batch.source!r} without column {missing[0]!r}{more}, which the model reads",
            expected=f"the columns {', '.join(map(repr, required[:40]))}",
            fix=f"{nearest(missing[0], header)}give the column that name in the file",
        )


def _split_empty(clean: pl.DataFrame, raw: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with something that the model reads, and the others as rejected ones."""
    table = (pl.col(n).is_not_null() for n in clean.columns if n.startswith((CATEGORY, NUMBER)))
    filled = clean.select(pl.any_horizontal("has_text", *table)).to_series()
    empty = raw["row_id"].is_in(clean.filter(~filled)["row_id"].implode())
    why = ("predict", "nothing_to_read", "every column that the model reads is empty")
    records = rejections(raw["row_id"], raw.drop(list(RAW.columns)), empty, why)
    return clean.filter(filled), rejected_rows(records)
