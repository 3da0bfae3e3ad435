"""Reading Parquet: columns keep their types, where stored tables can hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.sources.bounds import (
    BATCH,
    FOOTER,
    TooLargeError,
    refuse_columns,
    refuse_sparse,
    refuse_unpacked,
    rows_of,
)
from fusemine.tasks.sources.formats.records import Records, refuse_repeated, unreadable
from fusemine.tasks.table.cells import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STEP = 256
_BUFFER = 2**20  # bytes of a column that are read ahead, instead of its whole row group


def parquet_batches(path: Path, rows: int) -> Iterator[Records]:
    """Batches of at most `rows` rows, at least one.

    Raises:
        SourceError: The file is not Parquet, is damaged, or has two columns of one name.
    """
    tables = _tables(path, rows)
    empty = next(tables)
    refuse_repeated(empty.column_names, path)
    yield _frame(next(tables, empty), path), []
    yield from ((_frame(table, path), []) for table in tables)


def _tables(path: Path, rows: int) -> Iterator[pa.Table]:
    """A table without rows, and the file's rows."""
    try:
        _check_footer(path)
        with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            about = file.metadata
            refuse_columns(path, about.num_columns, "schema")
            refuse_sparse(path, about.num_rows, about.num_columns, path.stat().st_size)
            yield file.schema_arrow.empty_table()
            read = 0
            for table in _joined(file, path, rows_of(about.num_columns, rows)):
                read += table.num_rows
                yield table
            if read != about.num_rows:  # which iter_batches does not see
                raise pa.ArrowInvalid(f"{read} rows, not {about.num_rows}")
    except (OSError, ValueError, pa.ArrowException) as error:  # a name may be no UTF-8
        raise unreadable(path, f"is not a Parquet file ({error})") from error


def _joined(file: pq.ParquetFile, path: Path, rows: int) -> Iterator[pa.Table]:
    """The rows, read a few at a time: a cell that is stored once can be that of any number."""
    parts: list[pa.RecordBatch] = []
    size = total = count = 0
    for part in file.iter_batches(min(rows, _STEP)):
        size, total = size + part.nbytes, total + part.nbytes
        refuse_unpacked(path, total)
        if count + part.num_rows > rows:
            yield pa.Table.from_batches(parts)
            parts, size, count = [], part.nbytes, 0
        parts.append(part)
        count += part.num_rows
        if size >= BATCH:
            yield pa.Table.from_batches(parts)
            parts, size, count = [], 0, 0
    if parts:
        yield pa.Table.from_batches(parts)


def _check_footer(path: Path) -> None:
    """Refuse a file that says too much of itself, which is read as a whole."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 8))
        size = int.from_bytes(file.read(4), "little")
    if FOOTER < size <= path.stat().st_size:
        raise TooLargeError(
            got=f"file {path.name!r}, footer: {size:,} bytes on its columns and row groups",
            expected=f"at most {FOOTER:,}",
            fix="write the file anew with larger row groups or fewer columns",
        )


def _frame(table: pa.Table, path: Path) -> pl.DataFrame:
    for place, field in enumerate(table.schema):
        if pa.types.is_decimal256(field.type):  # wider than polars' numbers
            table = table.set_column(place, field.name, table.column(place).cast(pa.string()))
    try:
        frame = pl.DataFrame(table)
    except pl.exceptions.PolarsError as error:  # such as a time zone that there is not
        raise unreadable(path, f"holds a column that cannot be read ({error})") from error
    return frame.with_columns(_flat(column) for column in frame.iter_columns())


def _flat(column: pl.Series) -> pl.Series:
    """Nested, binary and other special values as text, which can be shown and hashed."""
    special = (pl.Binary, pl.Duration, pl.Categorical, pl.Enum)
    return as_text(column) if column.dtype.is_nested() or column.dtype in special else column
