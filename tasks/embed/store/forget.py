"""Taking the vectors of a row's texts out of the embedding store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.contract import TEXT
from fusemine.tasks.embed.store import parts
from fusemine.tasks.embed.store.store import text_hash
from fusemine.tasks.upkeep.places import SAID, STORE
from fusemine.tasks.upkeep.rewrite import read

if TYPE_CHECKING:
    from pathlib import Path


def drop_vectors(
    root: Path, cleaned: list[Path], row_id: str, going: list[Path], staying: list[Path]
) -> int:
    """Remove a row's vectors from every space, but for texts that other rows have as well.

    Of files that were scored with the row all vectors go: no other row of them can be found later.

    Parts never change, so a shorter one is a new part, written before the old one goes. A part
    that cannot be read goes whole: it may hold anything, and counts as not there.

    Args:
        root: Folder of the pipeline's artifacts.
        cleaned: All artifacts of cleaning, the row still in them.
        row_id: The row's id.
        going: The artifacts of scored files that are to be removed.
        staying: The other ones.

    Returns:
        How many vectors were removed.
    """
    every, other = pl.lit(value=True), pl.col("row_id") != row_id
    texts = _texts(cleaned, MAIN, ~other) | _texts(going, SAID, every)
    own = texts - _texts(cleaned, MAIN, other) - _texts(staying, SAID, every)
    if not own:
        return 0
    hashes = set(map(text_hash, own))
    return sum(_shorten(part, hashes) for part in sorted((root / STORE).glob("*/part-*.parquet")))


def _texts(folders: list[Path], table: str, rows: pl.Expr) -> set[str]:
    """All texts that may have been embedded: joined, or each column's."""
    found = (read(folder, table).filter(rows) for folder in folders)
    columns = (
        frame.get_column(name)
        for frame in found
        for name in frame.columns
        if name == "text" or name.startswith(TEXT)
    )
    return {text for column in columns for text in column if text}


def _shorten(path: Path, hashes: set[bytes]) -> int:
    """Write a part without some hashes; how many vectors that are."""
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException):
        path.unlink()
        return 0
    stays = [key not in hashes for key in table.column("text_hash").to_pylist()]
    if all(stays):
        return 0
    if any(stays):
        parts.write(path.parent, [table.filter(pa.array(stays))])
    path.unlink()
    return len(stays) - sum(stays)
