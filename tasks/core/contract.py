"""The schema of every Parquet artifact, checked when it is written and when it is read.

A contract is in terms of Arrow, because that is what a Parquet file holds; readers choose polars or
NumPy. Columns that come from the user's table have their role as a prefix (`category.sky`), so that
their names cannot collide with others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from fusemine.tasks.core.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Kind(StrEnum):
    """What a column holds, whatever its width in Arrow."""

    STRING = "string"
    STRINGS = "list of strings"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIME = "timestamp"
    VECTOR = "fixed-size binary"


@dataclass(frozen=True)
class Column:
    """One column: what it holds and whether it may be null."""

    kind: Kind
    nullable: bool = False


@dataclass(frozen=True)
class Contract:
    """The columns that an artifact must have, and those that it may have, by name or prefix."""

    name: str
    columns: dict[str, Column]
    prefixes: dict[str, Column] = field(default_factory=dict)
    optional: dict[str, Column] = field(default_factory=dict)
    """Columns that are there only where the user's settings ask for them."""
    open: bool = False
    """Whether it may also have columns of the source's own."""

    def check(self, table: pa.Table, columns: Sequence[str] | None = None) -> None:
        """Compare a table with the contract.

        Args:
            table: The table.
            columns: Those of its columns that were read; all of them by default.

        Raises:
            ContractError: A column is missing, unknown, of another kind, or null where it
                must not be.
        """
        if columns is None:
            self.check_names(table.column_names)
        for name in table.column_names:
            column = self._column(name)
            if column is not None:
                self._check_column(name, column, table.column(name))

    def check_names(self, names: Sequence[str]) -> None:
        """Compare the names of a table's columns with the contract.

        Raises:
            ContractError: A column is missing or unknown.
        """
        missing = [name for name in self.columns if name not in names]
        if missing:
            raise self._broken(f"no column {', '.join(missing)}")
        unknown = [] if self.open else [name for name in names if self._column(name) is None]
        if unknown:
            raise self._broken(f"an unknown column {unknown[0]!r}")

    def empty(self) -> pa.Table:
        """A table without rows that keeps the contract."""
        types = {name: _ARROW[column.kind] for name, column in self.columns.items()}
        return pa.schema(types).empty_table()

    def _column(self, name: str) -> Column | None:
        prefixed = (c for prefix, c in self.prefixes.items() if name.startswith(prefix))
        return self.columns.get(name) or self.optional.get(name) or next(prefixed, None)

    def _check_column(self, name: str, column: Column, values: pa.ChunkedArray) -> None:
        if kind_of(values.type) is not column.kind:
            raise self._broken(f"column {name!r} of type {values.type}, not {column.kind}")
        if not column.nullable and values.null_count:
            raise self._broken(f"{values.null_count} nulls in column {name!r}")

    def _broken(self, what: str) -> ContractError:
        return ContractError(
            got=f"a table for {self.name!r} with {what}",
            expected=f"the columns {', '.join(self.columns)}",
            fix="this is a fault in fusemine or a file changed by hand; remove it and run again",
        )


def kind_of(dtype: pa.DataType) -> Kind | None:
    """The kind of an Arrow type, or None for one that no contract uses.

    >>> kind_of(pa.large_string()), kind_of(pa.int8()), kind_of(pa.date32())
    (<Kind.STRING: 'string'>, <Kind.INTEGER: 'integer'>, None)
    """
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        return Kind.STRINGS if kind_of(dtype.value_type) is Kind.STRING else None
    return next((kind for check, kind in _CHECKS if check(dtype)), None)


text = partial(Column, Kind.STRING)
"""A column of strings."""
texts = partial(Column, Kind.STRINGS)
"""A column of lists of strings."""
number = partial(Column, Kind.FLOAT)
"""A column of floats."""
integer = partial(Column, Kind.INTEGER)
"""A column of whole numbers."""
boolean = partial(Column, Kind.BOOLEAN)
"""A column of true and false."""
time = partial(Column, Kind.TIME)
"""A column of times in UTC."""
vector = partial(Column, Kind.VECTOR)
"""A column of vectors: fixed-size binary."""

_CHECKS = (
    (pa.types.is_string, Kind.STRING),
    (pa.types.is_large_string, Kind.STRING),
    (pa.types.is_string_view, Kind.STRING),
    (pa.types.is_integer, Kind.INTEGER),
    (pa.types.is_floating, Kind.FLOAT),
    (pa.types.is_boolean, Kind.BOOLEAN),
    (pa.types.is_timestamp, Kind.TIME),
    (pa.types.is_fixed_size_binary, Kind.VECTOR),
)
_ARROW = {
    Kind.STRING: pa.string(),
    Kind.STRINGS: pa.list_(pa.string()),
    Kind.INTEGER: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIME: pa.timestamp("us", "UTC"),
    Kind.VECTOR: pa.binary(0),
}

REJECTED = Contract(
    "rejected", {name: text() for name in ("row_id", "stage", "rule", "reason", "row")}
)


def rejected_rows(rows: list[tuple[str, str, str, str, str]]) -> pl.DataFrame:
    """Rows of (row_id, stage, rule, reason, row as JSON) as a table."""
    return pl.DataFrame(rows, schema=dict.fromkeys(REJECTED.columns, pl.String), orient="row")


def row_json(frame: pl.DataFrame) -> pl.Series:
    """Each row as JSON text.

    >>> row_json(pl.DataFrame({"id": ["a"], "speed": [1.5]})).to_list()
    ['{"id":"a","speed":1.5}']
    """
    return frame.select(pl.struct(pl.all()).struct.json_encode()).to_series()
