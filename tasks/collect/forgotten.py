"""Row ids that must not come back: rows that were forgotten on request are left out of collecting.

Only a hash of each id is kept, below the root in `forgotten.json`.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from pathlib import Path

FILE = "forgotten.json"


def id_hash(row_id: str) -> str:
    """What is kept of the id of a forgotten row, in hexadecimal."""
    return hashlib.blake2b(row_id.encode(), digest_size=16).hexdigest()


def read_forgotten(root: Path) -> frozenset[str]:
    """Hashes of the row ids that were forgotten."""
    path = root / FILE
    if not path.is_file():
        return frozenset()
    return frozenset(json.loads(path.read_text(encoding="utf-8"))["row_ids"])


def is_forgotten(row_ids: pl.Series, forgotten: frozenset[str]) -> pl.Series:
    """Which rows must be left out."""
    if not forgotten:
        return pl.Series([False] * len(row_ids), dtype=pl.Boolean)
    lost = [id_hash(row_id) in forgotten for row_id in row_ids]
    return pl.Series(lost, dtype=pl.Boolean)


def forgotten_records(row_ids: pl.Series) -> list[tuple[str, str, str, str, str]]:
    """What is told of forgotten rows: that there were some, and nothing of what they held."""
    return [
        (f"forgotten-{id_hash(row_id)[:12]}", "collect", "forgotten", "forgotten on request", "{}")
        for row_id in row_ids
    ]
