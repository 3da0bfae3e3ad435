"""Vectors in Parquet: fixed-size binary columns, because they read without a copy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def to_arrow(matrix: np.ndarray) -> pa.Array:
    """A float matrix of shape (rows, dimension) as a fixed-size binary column."""
    contiguous = np.ascontiguousarray(matrix, dtype="<f4")
    rows, dimension = contiguous.shape
    buffers = [None, pa.py_buffer(contiguous.tobytes())]
    return pa.Array.from_buffers(pa.binary(4 * dimension), rows, buffers)


def to_numpy(column: pa.ChunkedArray) -> np.ndarray:
    """A fixed-size binary column as float32 of shape (rows, dimension)."""
    dimension = column.type.byte_width // 4
    chunks = [_chunk(chunk, dimension) for chunk in column.chunks]
    return np.concatenate(chunks) if chunks else np.empty((0, dimension), np.float32)


def _chunk(chunk: pa.FixedSizeBinaryArray, dimension: int) -> np.ndarray:
    values = np.frombuffer(chunk.buffers()[1], dtype="<f4").reshape(-1, dimension)
    return values[chunk.offset : chunk.offset + len(chunk)]
