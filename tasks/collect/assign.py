"""Giving every row its id and its partition."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.collect.forgotten import blank_forgotten, forgotten_records, is_forgotten
from fusemine.tasks.core.contract import removed_rows, row_json
from fusemine.tasks.core.partition import ALL, partition_keys
from fusemine.tasks.table.cells import as_text
from fusemine.tasks.table.roles import check_columns
from fusemine.tasks.table.times import UTC_TIME, parse_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fusemine.tasks.core.partition import PartitionSettings
    from fusemine.tasks.sources.records import Malformed
    from fusemine.tasks.sources.source import Batch
    from fusemine.tasks.table.roles import Columns

_TIME, _NUMBER, _HASH = _INTERNAL = ("__event_time", "__row_number", "__row_hash")


@dataclass(frozen=True)
class Assigned:
    """One partition's rows, as the source has them, and those whose id came twice."""

    partition: str
    rows: pl.DataFrame
    rejected: pl.DataFrame


@dataclass(frozen=True)
class Collected:
    """A source cut into partitions; `unassigned` are the records that belong to none."""

    partitions: list[Assigned]
    unassigned: pl.DataFrame


def own_name(column: str, ours: frozenset[str] = frozenset([*RAW.columns, *_INTERNAL])) -> str:
    """The name that a source's column has in a stored table, where ours come first.

    One more underscore for each name like ours, so that no two of the source's become one.
    """
    return f"{column}_" if column.rstrip("_") in {name.rstrip("_") for name in ours} else column


def assign(
    batches: Iterable[Batch],
    columns: Columns,
    by: PartitionSettings,
    repeated_id: str,
    forgotten: frozenset[str] = frozenset(),
) -> Collected:
    """Cut a source into partitions.

    Args:
        batches: The source's records, in order.
        columns: Roles of the columns.
        by: How the table is cut.
        repeated_id: `first` or `newest`: which row stays when an id comes twice in a partition.
        forgotten: Hashes of row ids that must be left out.

    Raises:
        SettingsError: A role names a column that a file has not.
    """
    pieces: dict[str, list[pl.DataFrame]] = {}
    removed: list[pl.DataFrame] = []
    for batch in batches:
        check_columns(columns, batch.frame.columns, f"file {batch.source!r}")
        removed.append(malformed_rows(batch))
        for partition, frame in _cut(batch, columns, by, removed):
            pieces.setdefault(partition, []).append(frame)
    partitions = [
        _identify(key, _joined(pieces[key]), columns, repeated_id, forgotten)
        for key in sorted(pieces)
    ]
    unassigned = pl.concat(removed) if removed else removed_rows([])
    id_column = None if columns.id is None else own_name(columns.id)
    return Collected(partitions, blank_forgotten(unassigned, id_column, forgotten))


def malformed_rows(batch: Batch) -> pl.DataFrame:
    """The records of a batch that are no rows, as removed ones."""
    return removed_rows(
        [
            (f"{batch.source}#{place}", "collect", *_told(record))
            for place, record in enumerate(batch.malformed, start=batch.first_malformed)
        ]
    )


def _told(record: Malformed) -> tuple[str, str, str]:
    return record.rule, record.reason, json.dumps(record.record, ensure_ascii=False)


def _cut(
    batch: Batch, columns: Columns, by: PartitionSettings, removed: list[pl.DataFrame]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """The batch's rows by partition; rows without a readable time go to `removed`."""
    placed, lost = place(batch, columns, by)
    removed.append(lost)
    known = placed.drop_nulls("partition")
    for (key,), part in known.partition_by("partition", maintain_order=True, as_dict=True).items():
        yield str(key), part


def place(
    batch: Batch, columns: Columns, by: PartitionSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A batch's rows with their partition, null where the time cannot be read, and these as removed.

    Args:
        batch: The rows.
        columns: Roles of the columns.
        by: How the table is cut.
    """
    frame = batch.frame
    own = frame.rename({name: own_name(name) for name in frame.columns})
    hashes = pl.Series(_HASH, _hashes(own), dtype=pl.String)
    if columns.time is None:
        times = pl.Series(_TIME, [None] * own.height, dtype=UTC_TIME)
        keys, lost = pl.Series([ALL] * own.height, dtype=pl.String), removed_rows([])
    else:
        values = frame.get_column(columns.time.column)
        times = parse_times(values, columns.time, by.timezone).alias(_TIME)
        keys = partition_keys(times, by)
        lost = _unreadable(batch, own, values, keys)
    placed = own.with_columns(times, hashes, partition=keys, source=pl.lit(batch.source))
    return placed, lost


def row_hashes(placed: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """What identifies the content of placed rows, and the rows with the source's columns alone."""
    return placed.get_column(_HASH), placed.drop("partition", "source", _TIME, _HASH)


def _unreadable(
    batch: Batch, own: pl.DataFrame, values: pl.Series, keys: pl.Series
) -> pl.DataFrame:
    lost = keys.is_null()
    bad = zip(lost.arg_true(), values.filter(lost), row_json(own.filter(lost)), strict=True)
    return removed_rows(
        [
            (f"{batch.source}:{batch.first + place}", "collect", *_why(value), row)
            for place, value, row in bad
        ]
    )


def _why(value: object) -> tuple[str, str]:
    if value is None:
        return "time_missing", "the time column is empty"
    return "time_unreadable", f"no format of the time column reads {str(value)[:40]!r}"


def _identify(
    partition: str,
    frame: pl.DataFrame,
    columns: Columns,
    repeated_id: str,
    forgotten: frozenset[str],
) -> Assigned:
    _, own = row_hashes(frame)
    nth = pl.int_range(pl.len()).over(_HASH).cast(pl.String)
    ids = frame.select(pl.col(_HASH) + "-" + nth).to_series()
    if columns.id is not None:
        given = as_text(own.get_column(own_name(columns.id)))
        ids = given.zip_with(given.is_not_null(), ids)  # a row without an id is still a row
    gone = is_forgotten(ids, forgotten)
    records = forgotten_records(ids.filter(gone))
    named = frame.with_columns(row_id=ids).filter(~gone)
    keep = _kept(named, repeated_id)
    lost = named.filter(~keep)
    bad = zip(lost.get_column("row_id"), row_json(lost.select(own.columns)), strict=True)
    reason = f"the id comes more than once in {partition}; kept the {repeated_id} row"
    records += [(i, "collect", "repeated_id", reason, row) for i, row in bad]
    order = ["row_id", "partition", "source", *own.columns]
    return Assigned(partition, named.filter(keep).select(order), removed_rows(records))


def _kept(named: pl.DataFrame, repeated_id: str) -> pl.Series:
    """Which rows stay, in the table's order."""
    if repeated_id == "first":
        return named.get_column("row_id").is_first_distinct()
    by_time = named.with_row_index(_NUMBER).sort(_TIME, _NUMBER)
    last = by_time.select(_NUMBER, pl.col("row_id").is_last_distinct())
    return last.sort(_NUMBER).get_column("row_id")


def _hashes(own: pl.DataFrame) -> list[str]:
    """A hash of each row as its own file has it, so that other files' columns do not count."""
    return [hashlib.blake2b(row.encode(), digest_size=10).hexdigest() for row in row_json(own)]


def _joined(pieces: list[pl.DataFrame]) -> pl.DataFrame:
    """Files' rows below each other; a column whose types cannot be joined becomes text."""
    try:
        return pl.concat(pieces, how="diagonal_relaxed")
    except pl.exceptions.SchemaError:
        types: dict[str, set[pl.DataType]] = {}
        for name, dtype in (pair for piece in pieces for pair in piece.schema.items()):
            types.setdefault(name, set()).add(dtype)
        mixed = [name for name, found in types.items() if len(found) > 1]
        pieces = [
            piece.with_columns(as_text(piece[name]) for name in mixed if name in piece.columns)
            for piece in pieces
        ]
        return pl.concat(pieces, how="diagonal_relaxed")
