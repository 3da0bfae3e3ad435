"""Taking a row out of vectors, and the vectors of its texts out of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.rewrite import Version
from fusemine.tasks.embed.store import parts
from fusemine.tasks.embed.store.space import STORE
from fusemine.tasks.embed.store.store import text_hash

if TYPE_CHECKING:
    from collections.abc import Collection

    from fusemine.tasks.core.rewrite import Stored
    from fusemine.tasks.core.store import Store


def rewrite(stored: Stored) -> Version:
    """The vectors without the row's."""
    table = stored.table()
    mask = [name != stored.row_id for name in table.column("row_id").to_pylist()]
    kept = table.filter(pa.array(mask, pa.bool_()))
    return Version({MAIN: kept}, table.num_rows - kept.num_rows)


def purge(store: Store, texts: Collection[str]) -> int:
    """Remove the vectors of texts from every space; how many they were.

    Parts never change, so a shorter one is a new part, written before the old one goes. A part
    that cannot be read goes whole: it may hold anything, and counts as not there.
    """
    hashes = set(map(text_hash, texts))
    spaces = [f"{STORE}/{name}" for name in store.folders(STORE)] if hashes else []
    return sum(_shorten(store, s, part, hashes) for s in spaces for part in parts.names(store, s))


def _shorten(store: Store, space: str, part: str, hashes: Collection[bytes]) -> int:
    """Write a part without some hashes; how many vectors that are."""
    try:
        with pq.ParquetFile(store.location(part)) as file:
            table = file.read()
    except (OSError, pa.ArrowException):
        store.delete(part)
        return 0
    stays = [key not in hashes for key in table.column("text_hash").to_pylist()]
    if all(stays):
        return 0
    if any(stays):
        parts.write(store, space, [table.filter(pa.array(stays))])
    store.delete(part)
    return len(stays) - sum(stays)
