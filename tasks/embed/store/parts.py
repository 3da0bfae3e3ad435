"""The part files of the embedding store: written once, read by row group, checked by page."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.core import vectors
from fusemine.tasks.core.errors import ContractError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.embed.contracts import STORED_VECTORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from fusemine.tasks.core.storage.store import Store

ROWS_PER_GROUP = 2048
KEY_BYTES = 16
"""Of the hash that a text is stored under."""
PART = "part-"
PART_NAME = re.compile(rf"{PART}[0-9a-f]{{32}}\.parquet")
"""The name of a part, which contains a part of its content's hash."""
MERGED = 16
"""So many parts of like size become one."""


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
        with _opened(store, name) as file:
            STORED_VECTORS.check(file.schema_arrow.empty_table())
            self.rows = file.metadata.num_rows
            self.width = file.schema_arrow.field("embedding").type.byte_width

    def keys(self) -> np.ndarray:
        """Its keys, S16 of shape (rows,)."""
        with _opened(self._store, self.name) as file:
            return from_column(file.read(columns=["text_hash"])["text_hash"])

    def read(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, pa.Table, np.ndarray]]:
        """Some rows, one row group at a time.

        Args:
            rows: Their numbers in the file.

        Yields:
            Positions in `rows`, a table, and the numbers of their rows in it.
        """
        groups = rows // ROWS_PER_GROUP
        with _opened(self._store, self.name) as file:
            for group in np.unique(groups):
                at = np.flatnonzero(groups == group)
                yield at, file.read_row_group(int(group)), rows[at] % ROWS_PER_GROUP


@contextmanager
def _opened(store: Store, name: str) -> Iterator[pq.ParquetFile]:
    """The open file; whatever is wrong with its bytes is one error."""
    try:
        with pq.ParquetFile(store.location(name), page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, ContractError) as error:
        raise DamagedError(name) from error


def write(store: Store, space: str, tables: Iterable[pa.Table]) -> str:
    """Write rows as one part, named after its content, whole or not at all.

    Args:
        store: Where to.
        space: Name of the space there.
        tables: One or more, by the contract `store` and in one schema.

    Returns:
        The part's name.
    """
    with store.draft_folder() as folder:
        draft = folder / "part.parquet"
        _write_draft(draft, tables)
        sha256 = file_digest(draft)
        name = f"{space}/{PART}{sha256[:32]}.parquet"
        store.add_file(draft, name, sha256)
        return name


def names(store: Store, space: str) -> list[str]:
    """The parts of a space."""
    found = (file for file in store.files(space) if file.folder == space)
    return [file.name for file in found if PART_NAME.fullmatch(file.base)]


def _write_draft(draft: Path, tables: Iterable[pa.Table]) -> None:
    """Full row groups, from tables of any size."""
    tables = iter(tables)
    rows = next(tables)
    # Vectors do not compress, and their minimum is of no use.
    with pq.ParquetWriter(
        draft,
        rows.schema,
        compression="none",
        use_dictionary=["language"],
        write_statistics=False,
        write_page_checksum=True,
    ) as writer:
        for table in tables:
            full = len(rows) - len(rows) % ROWS_PER_GROUP
            if full:
                writer.write_table(rows.slice(0, full), row_group_size=ROWS_PER_GROUP)
            rows = pa.concat_tables([rows.slice(full), table])
        writer.write_table(rows, row_group_size=ROWS_PER_GROUP)


def to_merge(parts: dict[int, Part]) -> list[list[int]]:
    """Groups of parts that should be one: many of like size.

    Merging only like sizes writes a vector a few times over the life of a space, however often
    parts are added.
    """
    tiers: dict[int, list[int]] = defaultdict(list)
    for number, part in parts.items():
        tiers[int(math.log(max(part.rows, 1), MERGED))].append(number)
    return [numbers for _, numbers in sorted(tiers.items()) if len(numbers) >= MERGED]


def to_column(keys: np.ndarray) -> pa.Array:
    """Keys, S16 of shape (rows,), as a fixed-size binary column."""
    return vectors.to_arrow(keys.view("<f4").reshape(-1, KEY_BYTES // 4))


def from_column(column: pa.ChunkedArray) -> np.ndarray:
    """The inverse of `to_column`: only bytes are moved, they are never numbers."""
    return np.ascontiguousarray(vectors.to_numpy(column)).view(f"S{KEY_BYTES}").ravel()
