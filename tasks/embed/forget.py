"""Taking a row out of vectors, and the vectors of its texts out of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.core.storage.writing import Rewritten
from fusemine.tasks.embed.store import parts
from fusemine.tasks.embed.store.space import spaces
from fusemine.tasks.embed.store.store import text_hash

if TYPE_CHECKING:
    from collections.abc import Collection

    from fusemine.tasks.core.storage.store import Store
    from fusemine.tasks.core.storage.writing import Stored


def rewrite(stored: Stored) -> Rewritten:
    """The vectors without the row's."""
    table = stored.table()
    mask = [name != stored.row_id for name in table.column("row_id").to_pylist()]
    kept = table.filter(pa.array(mask, pa.bool_()))
    return Rewritten({MAIN: kept}, table.num_rows - kept.num_rows)


def purge(store: Store, texts: Collection[str]) -> int:
    """Remove the vectors of texts from every space; how many they were.

    Parts never change, so a shorter one is a new part, written before the old one goes. A part
    that cannot be read goes whole: it may hold anything, and counts as not there.
    """
    hashes = set(map(text_hash, texts))
    found = spaces(store) if hashes else []
    return sum(_remove(store, s, part, hashes) for s in found for part in parts.names(store, s))


def _remove(store: Store, space: str, part: str, hashes: Collection[bytes]) -> int:
    """Write a part without some hashes; how many vectors it loses."""
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
