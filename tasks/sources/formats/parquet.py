"""Reading Parquet: columns keep their types, where stored tables can hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.sources.formats.records import Records, refuse_repeated, unreadable
from fusemine.tasks.table.cells import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUFFER = 2**20  # bytes of a column that are read ahead, instead of its whole row group


def parquet_batches(path: Path, rows: int) -> Iterator[Records]:
    """Batches of at most `rows` rows, at least one.

    Raises:
        SourceError: The file is not Parquet, is damaged, or has two columns of one name.
    """
    tables = _tables(path, rows)
    empty = next(tables)
    refuse_repeated(empty.column_names, path)
    yield _frame(next(tables, empty)), []
    yield from ((_frame(table), []) for table in tables)


def _tables(path: Path, rows: int) -> Iterator[pa.Table]:
    """A table without rows, and the file's rows."""
    try:
        with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            yield file.schema_arrow.empty_table()
            read = 0
            for batch in file.iter_batches(rows):
                read += batch.num_rows
                yield pa.Table.from_batches([batch])
            if read != file.metadata.num_rows:  # which iter_batches does not see
                raise pa.ArrowInvalid(f"{read} rows, not {file.metadata.num_rows}")
    except (OSError, ValueError, pa.ArrowException) as error:  # a name may be no UTF-8
        raise unreadable(path, f"is not a Parquet file ({error})") from error


def _frame(table: pa.Table) -> pl.DataFrame:
    for place, field in enumerate(table.schema):
        if pa.types.is_decimal256(field.type):  # wider than polars' numbers
            table = table.set_column(place, field.name, table.column(place).cast(pa.string()))
    frame = pl.DataFrame(table)
    return frame.with_columns(_flat(column) for column in frame.iter_columns())


def _flat(column: pl.Series) -> pl.Series:
    """Nested, binary and other special values as text, which can be shown and hashed."""
    special = (pl.Binary, pl.Duration, pl.Categorical, pl.Enum)
    return as_text(column) if column.dtype.is_nested() or column.dtype in special else column
