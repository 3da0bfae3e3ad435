"""Writing a Parquet file piece by piece, so that a table of any size needs little memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from fusemine.tasks.core.contract import Contract


@dataclass(frozen=True)
class Main:
    """What a manifest says of the main table."""

    schema: pa.Schema
    rows: int


class Pieces:
    """A Parquet file that grows; each piece is checked against the contract."""

    def __init__(self, path: Path, contract: Contract) -> None:
        self._path, self._contract = path, contract
        self._file: pq.ParquetWriter | None = None
        self.rows = 0

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows with the columns of the first piece, in any order.

        Raises:
            ContractError: They break the contract.
            pyarrow.ArrowInvalid: A column has a type that the first piece's cannot hold.
        """
        table = frame.to_arrow()
        self._contract.check(table)
        if self._file is None:
            self._file = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        schema = self._file.schema
        self._file.write_table(table.select(schema.names).cast(schema))
        self.rows += table.num_rows

    @property
    def main(self) -> Main | None:
        """What was written; None if nothing was."""
        return None if self._file is None else Main(self._file.schema, self.rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
