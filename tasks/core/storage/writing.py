"""Writing artifacts: their files come first, named after their content, and the manifest last.

The manifest is created if there is none, so that of several processes that make the same artifact
the first one wins, and a kill at any moment leaves either nothing or a complete artifact.

Taking a row out of an artifact works the same way: new files are written, then the manifest that
names them instead. The artifact keeps its name, because results name it as their input, and its
summary stays as it is: keys are made of content, so no run reads what was rewritten again.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.core.contract import Contract, text
from fusemine.tasks.core.errors import ContractError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.core.storage.artifact import (
    MAIN,
    REJECTED,
    ArtifactRef,
    is_intact,
    manifest_of,
    read_unchecked,
)
from fusemine.tasks.core.storage.manifest import FORM, MANIFEST, Manifest, Rows, StoredFile
from fusemine.tasks.core.storage.store import store_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from fusemine.tasks.core.storage.artifact import Job
    from fusemine.tasks.core.storage.store import Store

SHORT = 12
"""Characters of a file's hash that are part of its name."""


class TableWriter:
    """A Parquet file that grows, so that a table of any size needs little memory.

    Args:
        path: The file.
        contract: What each piece is checked against.
    """

    def __init__(self, path: Path, contract: Contract) -> None:
        self._path, self._contract = path, contract
        self._file: pq.ParquetWriter | None = None
        self.rows = 0

    @property
    def columns(self) -> dict[str, str]:
        """The types of the columns; none as long as nothing was written."""
        return {field.name: str(field.type) for field in self._file.schema} if self._file else {}

    def write(self, rows: pl.DataFrame | pa.Table) -> None:
        """Add rows with the columns of the first piece, in any order.

        Raises:
            ContractError: They break the contract, or have other columns than the first piece.
            pyarrow.ArrowInvalid: A column has a type that the first piece's cannot hold.
        """
        table = rows.to_arrow() if isinstance(rows, pl.DataFrame) else rows
        self._contract.check(table)
        if self._file is None:
            self._file = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        schema = self._file.schema
        first = Contract(self._contract.name, dict.fromkeys(schema.names, text()))
        first.check_names(table.column_names)
        self._file.write_table(table.select(schema.names).cast(schema))
        self.rows += table.num_rows

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()


class Draft:
    """An artifact being written.

    Args:
        job: What is made.
        folder: Where its files are written.

    Attributes:
        provisional: Whether it should be made again when there is a chance, as where a server was
            away.
        ref: The reference, once it is committed.
    """

    provisional: bool = False
    ref: ArtifactRef

    def __init__(self, job: Job, folder: Path) -> None:
        self.job, self._folder, self._started = job, folder, time.monotonic()
        self._rows: Rows | None = None
        self._main: TableWriter | None = None
        self._rejected: int | None = None

    def table(self, name: str, rows: pl.DataFrame | pa.Table, contract: Contract) -> None:
        """Write one Parquet file after checking it against its contract."""
        with self.writer(name, contract) as writer:
            writer.write(rows)

    @contextmanager
    def writer(self, name: str, contract: Contract) -> Iterator[TableWriter]:
        """Write one Parquet file piece by piece, none of which stays in memory."""
        with closing(TableWriter(self._folder / f"{name}.parquet", contract)) as writer:
            yield writer
            if name == MAIN and writer.columns:
                self._main = writer
            if name == REJECTED:
                self._rejected = writer.rows

    def bytes(self, name: str, content: bytes) -> None:
        """Write one file."""
        (self._folder / name).write_bytes(content)

    def count(self, rows_in: int, kept: int) -> None:
        """State how many rows came in, and how many of them were kept; the others were rejected."""
        self._rows = Rows(rows_in=rows_in, rows_kept=kept, rows_rejected=rows_in - kept)

    def commit(self) -> None:
        """Add the files, then create the manifest.

        Raises:
            ContractError: There is no main table, or the rows are not accounted for.
        """
        manifest, store = self._manifest(), store_at(self.job.root)
        before = manifest_of(store.root, manifest.name)
        is_damaged = before is not None and not is_intact(store.root, before)
        _add_files(store, self._folder, manifest)
        made = _published(store, manifest, is_damaged)
        self.ref = ArtifactRef.of(self.job.root, made)

    def _manifest(self) -> Manifest:
        rows, main = self._rows, self._main
        if rows is None or main is None or not _is_equal(rows, self._rejected):
            tables = f"{'a' if main else 'no'} main table, {self._rejected} rejected rows stored"
            raise ContractError(
                got=f"stage {self.job.stage!r} with {rows or 'no row counts'}, {tables}",
                expected="a main table, and rows in = rows kept + rows rejected",
                fix="this is a fault in fusemine; please report it with the pipeline.yaml",
            )
        return Manifest(
            form=FORM,
            key=self.job.recipe.key,
            rows=rows,
            main_rows=main.rows,
            columns=main.columns,
            files=_stored_files(self._folder),
            provisional=self.provisional,
            seconds=round(time.monotonic() - self._started, 3),
            created_at=datetime.now(UTC),
            **asdict(self.job),
        )


def _is_equal(rows: Rows, stored: int | None) -> bool:
    """Whether the row equation holds, also with the table of rejected rows, if there is one."""
    return 0 <= rows.rows_kept <= rows.rows_in and stored in {None, rows.rows_rejected}


@contextmanager
def new_artifact(job: Job) -> Iterator[Draft]:
    """Write an artifact, which is committed when the block ends without an error.

    Raises:
        ContractError: It lacks a main table, or its rows are not accounted for.
    """
    with store_at(job.root).draft_folder() as folder:
        draft = Draft(job, folder)
        yield draft
        draft.commit()


@dataclass(frozen=True)
class Rewritten:
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
        return read_unchecked(self.root, self.manifest, name)

    def frame(self, name: str = MAIN) -> pl.DataFrame:
        """One of its tables, as a polars DataFrame."""
        return pl.DataFrame(self.table(name))

    def others(self, name: str = MAIN) -> pl.DataFrame:
        """The rows of one of its tables but the one."""
        return self.frame(name).filter(pl.col("row_id") != self.row_id)


def store_rewritten(stored: Stored, new: Rewritten, contracts: Mapping[str, Contract]) -> None:
    """Replace what an artifact holds by what it holds without the row.

    Raises:
        ContractError: A table breaks its contract.
    """
    store, before = store_at(stored.root), stored.manifest
    rows, main_rows = before.rows, before.main_rows
    with store.draft_folder() as folder:
        for name, table in new.tables.items():
            with closing(TableWriter(folder / f"{name}.parquet", contracts[name])) as writer:
                writer.write(table)
            main_rows = writer.rows if name == MAIN else main_rows
        update = {
            "rows": Rows(
                rows_in=rows.rows_in - new.kept - new.rejected,
                rows_kept=rows.rows_kept - new.kept,
                rows_rejected=rows.rows_rejected - new.rejected,
            ),
            "main_rows": main_rows,
            "files": before.files | _stored_files(folder),
        }
        after = before.model_copy(update=update)
        _add_files(store, folder, after)
    store.replace(f"{before.name}/{MANIFEST}", after.to_json())
    _delete_unnamed(store, before, after)


def _stored_files(folder: Path) -> dict[str, StoredFile]:
    """The files of a folder as a manifest names them: a part of its hash is in each name."""
    files = {}
    for path in sorted(folder.iterdir()):
        sha256 = file_digest(path)
        name = f"{path.stem}.{sha256[:SHORT]}{path.suffix}"
        files[path.name] = StoredFile(sha256=sha256, size=path.stat().st_size, name=name)
    return files


def _add_files(store: Store, folder: Path, manifest: Manifest) -> None:
    """Move all files of a folder to where a manifest says that they are."""
    for path in sorted(folder.iterdir()):
        store.add_file(path, manifest.path(path.name), manifest.files[path.name].sha256)


def _delete_unnamed(store: Store, before: Manifest, after: Manifest) -> None:
    """Delete the files of one manifest that another one, which took its place, does not name."""
    for path in sorted(set(before.paths()) - set(after.paths())):
        store.delete(path)


def _published(store: Store, manifest: Manifest, is_damaged: bool) -> Manifest:
    """Create a manifest whose files are there, also in place of one whose files were damaged.

    Returns:
        The manifest that stands in the end.
    """
    path, content = f"{manifest.name}/{MANIFEST}", manifest.to_json()
    if store.create(path, content):
        return manifest
    # Another run was first: its result stands, unless it is damaged or provisional.
    first = manifest_of(store.root, manifest.name)
    stands = first is not None and not is_damaged and not first.provisional
    if first is not None and stands and is_intact(store.root, first):
        _delete_unnamed(store, manifest, first)
        return first
    store.replace(path, content)
    if first is not None:
        _delete_unnamed(store, first, manifest)
    return manifest
