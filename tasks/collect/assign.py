"""Giving every row its id and its partition."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.collect.forgotten import (
    Record,
    blank_forgotten,
    content_hash,
    forgotten_records,
    is_forgotten,
)
from fusemine.tasks.core.contract import rejected_rows, row_json
from fusemine.tasks.core.partition import ALL, partition_keys
from fusemine.tasks.table.cells import as_text
from fusemine.tasks.table.roles import check_places
from fusemine.tasks.table.times import UTC_TIME, parse_times

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.tasks.core.partition import PartitionSettings
    from fusemine.tasks.sources.source import Batch
    from fusemine.tasks.table.roles import Columns

_TIME, _NUMBER, _HASH = _INTERNAL = ("__event_time", "__row_number", "__row_hash")
_to_json = json.JSONEncoder(ensure_ascii=False).encode


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


def stored_name(column: str, taken: frozenset[str] = frozenset([*RAW.columns, *_INTERNAL])) -> str:
    """The name that a source's column has in a stored table, which has columns of its own.

    A name that a stored table has already gets one more underscore, and so does one that differs
    from it by underscores alone; thus no two columns of the source become one.

    >>> stored_name("city"), stored_name("source"), stored_name("source_")
    ('city', 'source_', 'source__')
    """
    return f"{column}_" if column.rstrip("_") in {name.rstrip("_") for name in taken} else column


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
        SettingsError: A role names a column that a piece of the source has not.
    """
    parts: dict[str, list[pl.DataFrame]] = {}
    removed = [rejected_rows([])]
    for batch in batches:
        check_places(columns.places(), batch.frame.columns, repr(batch.source))
        placed, lost = assign_partitions(batch, columns, by)
        removed += [reject_malformed(batch), lost]
        found = placed.drop_nulls("partition")
        cut = found.partition_by("partition", maintain_order=True, as_dict=True)
        for (key,), part in cut.items():
            parts.setdefault(str(key), []).append(part)
    partitions = [
        _identify(key, _joined(parts[key]), columns, repeated_id, forgotten)
        for key in sorted(parts)
    ]
    id_column = None if columns.id is None else stored_name(columns.id)
    return Collected(partitions, blank_forgotten(pl.concat(removed), id_column, forgotten))


def reject_malformed(batch: Batch) -> pl.DataFrame:
    """The malformed records of a batch, as rejected rows."""
    malformed = enumerate(batch.malformed, start=batch.first_malformed)
    return rejected_rows(
        [
            (f"{batch.source}#{place}", "collect", bad.rule, bad.reason, _to_json(bad.record))
            for place, bad in malformed
        ]
    )


def assign_partitions(
    batch: Batch, columns: Columns, by: PartitionSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A batch's rows with their partition, and as rejected those whose time cannot be read.

    Args:
        batch: The rows.
        columns: Roles of the columns.
        by: How the table is cut.
    """
    frame = batch.frame
    own = frame.rename({name: stored_name(name) for name in frame.columns})
    # The hash is of the row as its own file has it, so that other files' columns do not count.
    hashes = pl.Series(_HASH, map(content_hash, row_json(own)), dtype=pl.String)
    if columns.time is None:
        times = pl.Series(_TIME, [None] * own.height, dtype=UTC_TIME)
        keys, lost = pl.Series([ALL] * own.height, dtype=pl.String), rejected_rows([])
    else:
        values = frame.get_column(columns.time.column)
        times = parse_times(values, columns.time, by.timezone).alias(_TIME)
        keys = partition_keys(times, by)
        lost = _reject_times(batch, own, values, keys.is_null())
    placed = own.with_columns(times, hashes, partition=keys, source=pl.lit(batch.source))
    return placed, lost


def row_hashes(placed: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """What identifies the content of placed rows, and the rows with the source's columns alone."""
    return placed.get_column(_HASH), placed.drop("partition", "source", _TIME, _HASH)


def rejections(
    ids: pl.Series, own: pl.DataFrame, mask: pl.Series, why: tuple[str, str, str]
) -> list[Record]:
    """The rows under a mask, for `rejected_rows`.

    Args:
        ids: Id of each row (n,).
        own: The n rows with the source's columns.
        mask: Which of them are rejected (n,).
        why: The stage, the rule and the reason.
    """
    rows = zip(ids.filter(mask), row_json(own.filter(mask)), strict=True)
    return [(row_id, *why, row) for row_id, row in rows]


def _reject_times(
    batch: Batch, own: pl.DataFrame, values: pl.Series, lost: pl.Series
) -> pl.DataFrame:
    rows = zip(lost.arg_true(), values.filter(lost), row_json(own.filter(lost)), strict=True)
    return rejected_rows(
        [
            (f"{batch.source}:{batch.first + place}", "collect", *_why(value), row)
            for place, value, row in rows
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
        given = as_text(own.get_column(stored_name(columns.id)))
        ids = given.zip_with(given.is_not_null(), ids)  # a row without an id is still a row
    gone = is_forgotten(ids, forgotten)
    named = frame.with_columns(row_id=ids).filter(~gone)
    keep = _kept(named, repeated_id)
    reason = f"the id comes more than once in {partition}; kept the {repeated_id} row"
    lost = named.get_column("row_id"), named.select(own.columns), ~keep
    records = forgotten_records(ids.filter(gone))
    records += rejections(*lost, ("collect", "repeated_id", reason))
    order = ["row_id", "partition", "source", *own.columns]
    return Assigned(partition, named.filter(keep).select(order), rejected_rows(records))


def _kept(named: pl.DataFrame, repeated_id: str) -> pl.Series:
    """Which rows stay, in the table's order."""
    if repeated_id == "first":
        return named.get_column("row_id").is_first_distinct()
    by_time = named.with_row_index(_NUMBER).sort(_TIME, _NUMBER)
    last = by_time.select(_NUMBER, pl.col("row_id").is_last_distinct())
    return last.sort(_NUMBER).get_column("row_id")


def _joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Pieces' rows below each other; a column whose types cannot be joined becomes text."""
    try:
        return pl.concat(parts, how="diagonal_relaxed")
    except pl.exceptions.SchemaError:
        types = {pair for part in parts for pair in part.schema.items()}
        count = Counter(name for name, _ in types)
        texts = [
            part.with_columns(as_text(part[n]) for n in part.columns if count[n] > 1)
            for part in parts
        ]
        return pl.concat(texts, how="diagonal_relaxed")
