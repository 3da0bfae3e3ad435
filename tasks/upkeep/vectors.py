"""Taking the vectors of a row's texts out of the embedding store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tasks import vectors
from tasks.artifacts import MAIN
from tasks.embed.store import EmbeddingStore, text_hash
from tasks.upkeep.places import STORE
from tasks.upkeep.rewrite import read

if TYPE_CHECKING:
    from pathlib import Path


def drop_vectors(root: Path, cleaned: list[Path], row_id: str) -> int:
    """Remove a row's vectors from every space, but for texts that other rows have as well.

    A part is named after its own hash, so a shorter one is a new part, written before the old one
    goes. A part that cannot be read goes whole: it may hold anything, and counts as not there.

    Args:
        root: Folder of the pipeline's artifacts.
        cleaned: All artifacts of cleaning, the row still in them.
        row_id: The row's id.

    Returns:
        How many vectors were removed.
    """
    texts = _texts(cleaned, pl.col("row_id") == row_id)
    if not texts:
        return 0
    own = texts - _texts(cleaned, (pl.col("row_id") != row_id) & pl.col("text").is_in(list(texts)))
    hashes = {text_hash(text) for text in own}
    return sum(_shorten(part, hashes) for part in sorted((root / STORE).glob("*/part-*.parquet")))


def _texts(cleaned: list[Path], rows: pl.Expr) -> set[str]:
    found = (read(folder, MAIN).filter(rows & (pl.col("text") != "")) for folder in cleaned)
    return {text for frame in found for text in frame.get_column("text")}


def _shorten(part: Path, hashes: set[str]) -> int:
    """Write a part without some hashes; how many vectors that are."""
    try:
        with pq.ParquetFile(part) as file:
            table = file.read()
    except (OSError, pa.ArrowException):
        part.unlink()
        return 0
    keys = table.column("text_hash").to_pylist()
    stays = [number for number, key in enumerate(keys) if key not in hashes]
    if len(stays) == len(keys):
        return 0
    shorter = EmbeddingStore(part.parent, 0)
    matrix = vectors.to_numpy(table.column("embedding"))
    shorter.add([keys[number] for number in stays], matrix[stays])
    shorter.flush()
    part.unlink()
    return len(keys) - len(stays)
