"""The part files of the embedding store: written once, read by row group, checked by page."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.core.errors import ContractError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.embed.contracts import STORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from fusemine.tasks.core.store import Store

ROWS_PER_GROUP = 2048
HASH_BYTES = 16
PART = "part-"
# So many parts of like size become one.
MERGED = 16


class DamagedError(Exception):
    """A part that cannot be read.

    Args:
        name: The part.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Part:
    """One file of a space.

    Args:
        store: Where it is.
        name: Its name there.

    Raises:
        DamagedError: It cannot be read.
        FileNotFoundError: It is gone.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.name, self._store = name, store
        with _reading(store, name) as file:
            STORE.check(file.schema_arrow.empty_table())
            self.rows = file.metadata.num_rows
            self.width = file.schema_arrow.field("embedding").type.byte_width

    def keys(self) -> np.ndarray:
        """Its hashes, uint64 of shape (rows, 2)."""
        with _reading(self._store, self.name) as file:
            return as_keys(_bytes_of(file.read(columns=["text_hash"])["text_hash"]))

    def read(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, pa.Table, np.ndarray]]:
        """Some rows, one row group at a time.

        Args:
            rows: Their numbers in the file.

        Yields:
            Positions in `rows`, a table, and the numbers of their rows in it.
        """
        groups = rows // ROWS_PER_GROUP
        with _reading(self._store, self.name) as file:
            for group in np.unique(groups):
                at = np.flatnonzero(groups == group)
                yield at, file.read_row_group(int(group)), rows[at] % ROWS_PER_GROUP


@contextmanager
def _reading(store: Store, name: str) -> Iterator[pq.ParquetFile]:
    """The open file; whatever is wrong with its bytes is one error."""
    try:
        with pq.ParquetFile(store.location(name), page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, ContractError) as error:
        raise DamagedError(name) from error


def write(store: Store, space: str, tables: Iterable[pa.Table]) -> None:
    """Write rows as one part, named after its content, whole or not at all.

    Args:
        store: Where to.
        space: Name of the space there.
        tables: Rows by the contract `store`, in one schema.
    """
    folder = store.draft()
    try:
        draft = folder / "part.parquet"
        _write_draft(draft, tables)
        sha256 = file_digest(draft)
        store.keep(draft, f"{space}/{PART}{sha256[:32]}.parquet", sha256)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def names(store: Store, space: str) -> list[str]:
    """The parts of a space."""
    found = (file.name for file in store.files(space))
    return [name for name in found if PurePosixPath(name).name.startswith(PART)]


def _write_draft(draft: Path, tables: Iterable[pa.Table]) -> None:
    """Full row groups, from tables of any size."""
    writer = None
    left: list[pa.Table] = []
    for table in tables:
        writer = writer or _writer(draft, table.schema)
        left.append(table)
        if sum(map(len, left)) >= ROWS_PER_GROUP:
            rows = pa.concat_tables(left)
            full = len(rows) - len(rows) % ROWS_PER_GROUP
            writer.write_table(rows.slice(0, full), row_group_size=ROWS_PER_GROUP)
            left = [rows.slice(full)]
    if writer is not None:
        if left and sum(map(len, left)):
            writer.write_table(pa.concat_tables(left), row_group_size=ROWS_PER_GROUP)
        writer.close()


def _writer(draft: Path, schema: pa.Schema) -> pq.ParquetWriter:
    # Vectors do not compress, and nobody asks for their minimum.
    return pq.ParquetWriter(
        draft,
        schema,
        compression="none",
        use_dictionary=["language"],
        write_statistics=False,
        write_page_checksum=True,
    )


def to_merge(parts: dict[int, Part]) -> list[list[int]]:
    """Groups of parts that should be one: many of like size.

    Merging only like sizes writes a vector a few times over the life of a space, however often
    parts are added.
    """
    tiers: dict[int, list[int]] = defaultdict(list)
    for number, part in parts.items():
        tiers[int(math.log(max(part.rows, 1), MERGED))].append(number)
    return [numbers for _, numbers in sorted(tiers.items()) if len(numbers) >= MERGED]


def as_keys(hashes: bytes) -> np.ndarray:
    """Hashes one after the other as uint64 of shape (hashes, 2)."""
    return np.frombuffer(hashes, ">u8").reshape(-1, 2).astype(np.uint64)


def as_column(keys: np.ndarray) -> pa.Array:
    """The inverse of `as_keys`, as a fixed-size binary column."""
    hashes = keys.astype(">u8").tobytes()
    buffers = [None, pa.py_buffer(hashes)]
    return pa.Array.from_buffers(pa.binary(HASH_BYTES), len(keys), buffers)


def _bytes_of(column: pa.ChunkedArray) -> bytes:
    return b"".join(
        chunk.buffers()[1][chunk.offset * HASH_BYTES :][: len(chunk) * HASH_BYTES].to_pybytes()
        for chunk in column.chunks
        if len(chunk)
    )
