"""The distinct texts of a table, each with one vector."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

DIGITS = 4
"""Decimals that two vectors are compared to: coarser than an encoder's noise between batches."""


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
    """Group the rows of a clean table by their text.

    Args:
        clean: n rows by the contract `clean`.
        vectors: (n, d) the vectors of their texts.
    """
    rows = clean.select("text", "has_text").with_row_index("row").filter("has_text")
    groups = rows.group_by("text", maintain_order=True).agg("row")
    members = groups["row"]
    counts = members.list.len().to_numpy().astype(np.int64)
    first = members.list.first().to_numpy().astype(np.int64)
    of_row = np.full(clean.height, -1, np.int64)
    of_row[members.explode().to_numpy()] = np.repeat(np.arange(len(counts)), counts)
    return Texts(groups["text"].to_list(), first, counts, of_row, take_rows(vectors, first))


def take_rows(vectors: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Some rows of (n, d) vectors, without a copy of a large array where they are all."""
    return vectors if len(rows) == len(vectors) else vectors[rows]


def distinct_vectors(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct rows of (m, d) vectors, and the place of every row among them.

    Texts that differ only in what an encoder ignores, as `No damage` and `NO DAMAGE`, have one
    vector.

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
