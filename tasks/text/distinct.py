"""The distinct texts of a table, each with one vector."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS = 4
"""Digits by which two vectors are told apart: fewer than an encoder's noise between batches."""


@dataclass(frozen=True)
class Texts:
    """The m distinct texts of a clean table of n rows, in the order of their first rows.

    Attributes:
        texts: The m texts.
        first: (m,) the first row that has each text.
        rows: (m,) the number of rows that have it.
        of_row: (n,) the place of each row's text, -1 for a row without text.
        vectors: (m, d) float32, the vector of each text's first row.
    """

    texts: list[str]
    first: NDArray[np.int64]
    rows: NDArray[np.int64]
    of_row: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.texts)


def distinct_texts(clean: pl.DataFrame, vectors: NDArray[np.float32]) -> Texts:
    """Group the rows of a clean table by their text; `vectors` is (n, d) in the table's order."""
    rows = clean.select("text", "has_text").with_row_index("row").filter("has_text")
    groups = rows.group_by("text", maintain_order=True).agg(
        pl.col("row").first().alias("first"), pl.len().alias("rows"), pl.col("row")
    )
    of_row = np.full(clean.height, -1, np.int64)
    members = groups.select("row").with_row_index("place").explode("row")
    of_row[members["row"].to_numpy()] = members["place"].to_numpy()
    first = groups["first"].to_numpy().astype(np.int64)
    return Texts(
        texts=groups["text"].to_list(),
        first=first,
        rows=groups["rows"].to_numpy().astype(np.int64),
        of_row=of_row,
        vectors=chosen(vectors, first),
    )


def chosen(vectors: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The chosen rows, without a copy of a large array where they are all."""
    return vectors if len(rows) == len(vectors) else vectors[rows]


def same_vectors(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that differ, and the place of every row among them.

    Texts that an encoder cannot tell apart, as `No damage` and `NO DAMAGE`, have one vector.

    Returns:
        (p,) the first row of each distinct vector, and (m,) numbers from 0 to p - 1.
    """
    places: dict[bytes, int] = {}
    first: list[int] = []
    group = np.empty(len(vectors), np.int64)
    for row, vector in enumerate(vectors):
        # Adding zero turns a negative zero into zero, which has other bytes.
        digest = hashlib.blake2b((vector.round(DIGITS) + 0.0).tobytes(), digest_size=16).digest()
        group[row] = places.setdefault(digest, len(places))
        if group[row] == len(first):
            first.append(row)
    return np.array(first, np.int64), group
