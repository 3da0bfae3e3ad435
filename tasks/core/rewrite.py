"""Taking a row out of one artifact: new files are written, and its manifest names them instead.

An artifact keeps its name, because results name it as their input. Its summary stays as it is:
keys are made of content, so no run reads what was rewritten again.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.core.artifact import MAIN, MANIFEST, Rows, stored_file
from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.store import store_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusemine.tasks.core.artifact import Manifest
    from fusemine.tasks.core.contract import Contract


@dataclass(frozen=True)
class Version:
    """What an artifact holds without the row.

    Args:
        tables: Those of its tables that change, or may.
        kept: Kept rows that it lost.
        rejected: Rejected rows that it lost.
    """

    tables: dict[str, pl.DataFrame | pa.Table]
    kept: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Stored:
    """An artifact that a row is to be taken out of.

    Args:
        root: Where the pipeline keeps its artifacts.
        manifest: Its manifest.
        row_id: The row.
        forgotten: Hashes of what the row goes by: its id, and ids of records without a partition.
    """

    root: str
    manifest: Manifest
    row_id: str
    forgotten: frozenset[str]

    def table(self, name: str = MAIN) -> pa.Table:
        """One of its tables.

        Raises:
            ArtifactError: It cannot be read.
        """
        place = self.manifest.place(f"{name}.parquet")
        try:
            with pq.ParquetFile(store_at(self.root).location(place)) as file:
                return file.read()
        except (OSError, pa.ArrowException) as error:
            raise ArtifactError(
                got=f"no readable table {place} below {self.root}",
                expected="a file of a finished artifact",
                fix="run the pipeline again: what is damaged is made anew",
            ) from error

    def frame(self, name: str = MAIN) -> pl.DataFrame:
        """One of its tables, as a polars DataFrame."""
        frame = pl.from_arrow(self.table(name))
        assert isinstance(frame, pl.DataFrame)  # noqa: S101  (a Table never makes a Series)
        return frame

    def others(self, name: str = MAIN) -> pl.DataFrame:
        """The rows of one of its tables but the one."""
        return self.frame(name).filter(pl.col("row_id") != self.row_id)


def replace(stored: Stored, version: Version, contracts: Mapping[str, Contract]) -> None:
    """Put a version in the place of what an artifact holds.

    Raises:
        ContractError: A table breaks its contract.
    """
    store, before = store_at(stored.root), stored.manifest
    tables = {
        name: table.to_arrow() if isinstance(table, pl.DataFrame) else table
        for name, table in version.tables.items()
    }
    folder, files = store.draft(), dict(before.files)
    try:
        for name, table in tables.items():
            contracts[name].check(table)
            path = folder / f"{name}.parquet"
            pq.write_table(table, path, compression="zstd")
            files[path.name] = stored_file(path)
            store.keep(path, f"{before.name}/{files[path.name].name}", files[path.name].sha256)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = Rows(
        rows_in=before.rows.rows_in - version.kept - version.rejected,
        rows_kept=before.rows.rows_kept - version.kept,
        rows_rejected=before.rows.rows_rejected - version.rejected,
    )
    main = tables[MAIN].num_rows if MAIN in tables else before.main_rows
    after = before.model_copy(update={"rows": rows, "main_rows": main, "files": files})
    store.replace(f"{before.name}/{MANIFEST}", after.to_json())
    for place in set(before.places()) - set(after.places()):
        store.delete(place)
