"""The embedding store: each distinct text's vector once, shared by runs and backfills.

One folder per space (model and settings that change a vector). A part file is named after its
own hash and never changes, so several processes can add parts, and a damaged part is noticed and
counts as not there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks import vectors
from tasks.contracts import STORE
from tasks.keys import file_digest

if TYPE_CHECKING:
    from collections.abc import Sequence


def text_hash(text: str) -> str:
    """What a text is stored under."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class EmbeddingStore:
    """Vectors by text hash, held in memory and backed by Parquet parts.

    Args:
        folder: Folder of the space; made when something is first stored.
        dimension: Length of a vector.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self._folder = folder
        self._dimension = dimension
        self._loaded: set[str] = set()
        self._index: dict[str, np.ndarray] = {}
        self._pending: dict[str, np.ndarray] = {}

    def refresh(self) -> None:
        """Take in the parts that other processes have added, and drop those that are gone."""
        parts = {path.name for path in self._folder.glob("part-*.parquet")}
        if self._loaded - parts:
            self._loaded, self._index = set(), dict(self._pending)
        for name in sorted(parts - self._loaded):
            self._load(name)

    def __contains__(self, key: str) -> bool:
        return key in self._index

    def __len__(self) -> int:
        return len(self._index)

    def get(self, keys: Sequence[str]) -> np.ndarray:
        """The vectors of texts that are stored, float32 of shape (keys, dimension)."""
        if not keys:
            return np.empty((0, self._dimension), np.float32)
        return np.stack([self._index[key] for key in keys])

    def add(self, keys: Sequence[str], matrix: np.ndarray) -> None:
        """Take new vectors; those already there stay as they are. `flush` makes them last."""
        for key, vector in zip(keys, matrix, strict=True):
            if key not in self._index:
                self._index[key] = self._pending[key] = vector

    def flush(self) -> None:
        """Write what was added since the last time as one part, whole or not at all."""
        if not self._pending:
            return
        table = pa.table(
            {
                "text_hash": pa.array(list(self._pending), pa.string()),
                "embedding": vectors.to_arrow(np.stack(list(self._pending.values()))),
            }
        )
        STORE.check(table)
        self._loaded.add(_write_part(self._folder, table))
        self._pending = {}

    def _load(self, name: str) -> None:
        self._loaded.add(name)
        path = self._folder / name
        if _part_name(path) != name:
            return  # damaged: its texts are embedded again
        table = pq.read_table(path)
        STORE.check(table)
        matrix = vectors.to_numpy(table.column("embedding"))
        for key, vector in zip(table.column("text_hash").to_pylist(), matrix, strict=True):
            self._index.setdefault(key, vector)


def _part_name(path: Path) -> str:
    return f"part-{file_digest(path)[:32]}.parquet"


def _write_part(folder: Path, table: pa.Table) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".draft-", dir=folder)
    os.close(handle)
    try:
        pq.write_table(table, draft)
        name = _part_name(Path(draft))
        Path(draft).rename(folder / name)
    finally:
        Path(draft).unlink(missing_ok=True)
    return name
