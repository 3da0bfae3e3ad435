"""Clean tables of a few columns, typed by the columns' names."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from fusemine.tasks.fuse.transformers import Rows

TYPES: dict[str, Any] = {
    "event_time": pl.Datetime("us", "UTC"),
    "has_text": pl.Boolean,
    "number": pl.Float64,
}


def frame(columns: dict[str, Any]) -> pl.DataFrame:
    """A table of these columns: strings, unless the name stands for another type."""
    types = {name: TYPES.get(name.partition(".")[0], pl.String) for name in columns}
    return pl.DataFrame(columns, types)


def rows_of(columns: dict[str, Any], vectors: np.ndarray | None = None) -> Rows:
    """Rows of these columns, with these text vectors or with vectors of zero."""
    clean = frame(columns)
    none = np.zeros((clean.height, 8), dtype=np.float32)
    return Rows(clean, none if vectors is None else vectors)


def levels(**columns: Any) -> Rows:
    """Rows of these category columns."""
    return rows_of({f"category.{name}": column for name, column in columns.items()})
