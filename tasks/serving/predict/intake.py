"""New rows on their way to a model: read, identified and cleaned as training rows are, in batches.

Of what went by only what two rows may not share is remembered: eight bytes of each row's id.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.clean.clean import clean
from fusemine.tasks.collect.assign import malformed_rows, own_name, place, row_hashes
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.collect.forgotten import blank_forgotten, forgotten_records, is_forgotten
from fusemine.tasks.core.contract import removed_rows, row_json
from fusemine.tasks.core.errors import SourceError, nearest
from fusemine.tasks.table.cells import as_text
from fusemine.tasks.table.roles import CATEGORY, NUMBER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusemine.tasks.clean.settings import CleanSettings
    from fusemine.tasks.core.partition import PartitionSettings
    from fusemine.tasks.sources.source import Batch
    from fusemine.tasks.table.roles import Columns

ENOUGH = 20
"""Cells of a category from which on it is odd that none of them was ever seen."""


@dataclass(frozen=True)
class Reading:
    """How a model's rows are read.

    Attributes:
        columns: Roles of the columns.
        cleaning: How cells are cleaned.
        by: How the table is cut, with the zone of its calendar.
        levels: The levels of each category that were there in training, where they are not too
            many.
        forgotten: Hashes of row ids that must be left out.
    """

    columns: Columns
    cleaning: CleanSettings
    by: PartitionSettings
    levels: Mapping[str, list[str]]
    forgotten: frozenset[str] = frozenset()

    def needed(self) -> list[str]:
        """The columns that new rows must have; a label, for one, is not among them."""
        columns = self.columns
        alone = [columns.id, columns.time.column if columns.time else None]
        mined = [*columns.text, *columns.category, *columns.number]
        return [name for name in [*alone, *mined, *self.cleaning.required] if name]


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

    @property
    def records(self) -> int:
        """How many records there were."""
        return self.clean.height + self.rejected.height


@dataclass
class Intake:
    """The rows of one file, one batch after the other.

    Args:
        reading: How they are read.
    """

    reading: Reading
    rows: int = field(default=0, init=False)
    broken: int = field(default=0, init=False)
    filled: Counter[str] = field(default_factory=Counter, init=False)
    unread: Counter[str] = field(default_factory=Counter, init=False)
    unseen: Counter[str] = field(default_factory=Counter, init=False)
    _ids: Seen = field(init=False)

    def __post_init__(self) -> None:
        self._ids = Seen()

    def take(self, file: Batch) -> CleanBatch:
        """Read the next batch of the file.

        Raises:
            SourceError: A column that the model reads is missing.
        """
        _check_header(file, self.reading)
        reading, columns = self.reading, self.reading.columns
        placed, lost = place(file, columns, reading.by)
        lost = _named(lost, placed, columns)
        broken = malformed_rows(file)
        self.rows, self.broken = self.rows + placed.height, self.broken + len(file.malformed)
        id_column = None if columns.id is None else own_name(columns.id)
        removed = [blank_forgotten(pl.concat([broken, lost]), id_column, reading.forgotten)]
        raw, repeated = self._identified(placed.drop_nulls("partition"))
        cleaned = clean(raw, columns, reading.cleaning, reading.by.timezone)
        self._count(cleaned.rows, cleaned.unreadable)
        kept, empty = _with_something(cleaned.rows, raw)
        removed += [repeated, cleaned.rejected, empty]
        return CleanBatch(_of(raw, kept), kept, pl.concat(removed))

    def _identified(self, placed: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows with their id, by the contract `raw`, and those that are left out for theirs."""
        hashes, own = row_hashes(placed)
        column = self.reading.columns.id
        named = pl.Series([None] * placed.height, dtype=pl.String)
        if column is not None:
            named = as_text(own.get_column(own_name(column)))
        earlier = pl.Series(self._ids.count(named.fill_null(hashes).hash().to_numpy()))
        ids = named.fill_null(hashes + "-" + earlier.cast(pl.String))
        gone = is_forgotten(ids, self.reading.forgotten)
        twice = named.is_not_null() & (earlier > 0) & ~gone
        records = forgotten_records(ids.filter(gone))
        reason = "the id came before in this file"
        again = zip(ids.filter(twice), row_json(own.filter(twice)), strict=True)
        records += [(name, "collect", "repeated_id", reason, row) for name, row in again]
        order = ["row_id", "partition", "source", *own.columns]
        raw = placed.with_columns(row_id=ids).filter(~(gone | twice)).select(order)
        return raw, removed_rows(records)

    def _count(self, clean: pl.DataFrame, unreadable: Mapping[str, int]) -> None:
        for name in self.reading.columns.number:
            there = clean.height - clean[NUMBER + name].null_count()
            self.filled[name] += there + unreadable.get(name, 0)
            self.unread[name] += unreadable.get(name, 0)
        for name, levels in self.reading.levels.items():
            column = clean[CATEGORY + name].drop_nulls()
            self.filled[name] += len(column)
            self.unseen[name] += len(column) - int(column.is_in(levels).sum())

    def check(self, name: str) -> None:
        """Refuse a file whose columns are not what their names say; asked at its end.

        Raises:
            SourceError: There is no record, a column of numbers holds none, or a category has
                none of the levels that there were in training.
        """
        if not self.rows + self.broken:
            raise SourceError(
                got=f"file {name!r} has no rows",
                expected="rows to score",
                fix="look at how the file was made",
            )
        for column in self.reading.columns.number:
            if self.unread[column] and self.unread[column] == self.filled[column]:
                raise _other_type(
                    name, column, f"none of its {self.filled[column]:,} values is a number"
                )
        for column in self.reading.levels:
            if self.filled[column] >= ENOUGH and self.unseen[column] == self.filled[column]:
                told = f"none of its {self.filled[column]:,} values was there in training"
                raise _other_type(name, column, told)

    def notes(self) -> dict[str, dict[str, int]]:
        """Cells that could not be read as numbers, and those of levels that were never seen."""
        counts = {"unreadable_numbers": self.unread, "unseen_levels": self.unseen}
        return {what: {n: c for n, c in found.items() if c} for what, found in counts.items()}


def _named(lost: pl.DataFrame, placed: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Rows without a readable time by their own ids, where they have one."""
    if columns.id is None:
        return lost
    own = placed.filter(pl.col("partition").is_null()).get_column(own_name(columns.id))
    return lost.with_columns(row_id=as_text(own).fill_null(lost["row_id"]))


def _other_type(name: str, column: str, told: str) -> SourceError:
    return SourceError(
        got=f"file {name!r}: column {column!r}, and {told}",
        expected="the columns that the model was trained with, each with what it held then",
        fix="look whether columns were mixed up or coded anew; if the table has changed, train a "
        "model on it",
    )


def _check_header(file: Batch, reading: Reading) -> None:
    header = file.frame.columns
    missing = [name for name in dict.fromkeys(reading.needed()) if name not in header]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise SourceError(
            got=f"file {file.source!r} without column {missing[0]!r}{more}, which the model reads",
            expected=f"the columns {', '.join(map(repr, reading.needed()[:40]))}",
            fix=f"{nearest(missing[0], header)}name the column so in the file",
        )


def _of(raw: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    return raw.filter(raw["row_id"].is_in(kept["row_id"].implode()))


def _with_something(clean: pl.DataFrame, raw: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that hold something to go by, and the others as rejected ones."""
    table = [name for name in clean.columns if name.startswith((CATEGORY, NUMBER))]
    told = (
        clean["has_text"]
        | clean.select(
            pl.any_horizontal(pl.lit(value=False), *(pl.col(name).is_not_null() for name in table))
        ).to_series()
    )
    empty = _of(raw, clean.filter(~told))
    own = empty.drop(list(RAW.columns))
    why = "every column that the model reads is empty"
    bad = zip(empty["row_id"], row_json(own), strict=True)
    return clean.filter(told), removed_rows(
        [(name, "predict", "nothing_to_read", why, row) for name, row in bad]
    )


class Seen:
    """How often keys came before, in eight bytes for each distinct one and four for its count."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.uint64)
        self._counts = np.empty(0, np.uint32)

    def count(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """For each key how often it came before, in earlier calls and in this one.

        Args:
            keys: (n,) hashes; two keys with the same one are taken for the same.
        """
        distinct, of_key, new = np.unique(keys, return_inverse=True, return_counts=True)
        place = np.searchsorted(self._keys, distinct)
        known = np.zeros(len(distinct), bool)
        inside = place < len(self._keys)
        known[inside] = self._keys[place[inside]] == distinct[inside]
        before = np.zeros(len(distinct), np.int64)
        before[known] = self._counts[place[known]]
        self._counts[place[known]] += new[known].astype(np.uint32)
        at = place[~known]
        self._keys = np.insert(self._keys, at, distinct[~known])
        self._counts = np.insert(self._counts, at, new[~known].astype(np.uint32))
        order = np.argsort(of_key, kind="stable")
        starts = (np.cumsum(new) - new).astype(np.int64)
        nth = np.empty(len(keys), np.int64)
        nth[order] = np.arange(len(keys)) - np.repeat(starts, new)
        return before[of_key] + nth
