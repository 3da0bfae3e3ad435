"""Vectors in Parquet: fixed-size binary columns, because they read without a copy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def to_arrow(matrix: np.ndarray) -> pa.Array:
    """A matrix of shape (rows, dimension) as a fixed-size binary column.

    float16 stays float16; other types become float32. All are stored little-endian.

    >>> to_arrow(np.zeros((3, 4), np.float32)).type
    FixedSizeBinaryType(fixed_size_binary[16])
    """
    dtype = "<f2" if matrix.dtype == np.float16 else "<f4"
    contiguous = np.ascontiguousarray(matrix, dtype=dtype)
    rows, dimension = contiguous.shape
    # An array without bytes has no buffer that Arrow would take.
    values = pa.py_buffer(contiguous.tobytes() if not contiguous.size else contiguous.data)
    return pa.Array.from_buffers(pa.binary(contiguous.itemsize * dimension), rows, [None, values])


def to_numpy(column: pa.ChunkedArray, dtype: str = "float32") -> np.ndarray:
    """A fixed-size binary column as a matrix of shape (rows, dimension).

    A column of one chunk is not copied: the matrix, and a tensor made from it, is a read-only view
    of Arrow's memory.

    Args:
        column: The column.
        dtype: `float32` or `float16`, as the column was written.
    """
    kind = np.dtype(dtype).newbyteorder("<")
    dimension = column.type.byte_width // kind.itemsize
    chunks = [_chunk(chunk, kind, dimension) for chunk in column.chunks if len(chunk)]
    if not chunks:
        return np.empty((0, dimension), kind)
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def read_embeddings(table: pa.Table) -> np.ndarray:
    """The column `embedding` of an artifact as mining reads it, float32 of shape (rows, dimension).

    Rounded to half precision, vectors are only nearly of length 1; here they are so again.

    Args:
        table: By the contract `embeddings`.
    """
    found = to_numpy(table.column("embedding"), dtype_of(table.schema))
    return unit(found) if found.dtype == np.float16 else found


def dtype_of(schema: pa.Schema) -> str:
    """The dtype that a schema's metadata names for its vectors; float32 where it names none."""
    return str((schema.metadata or {}).get(b"dtype", b"float32").decode())


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32 of the same shape; a row of zeros stays one.

    Args:
        vectors: Of any float type and shape (rows, dimension).

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    values = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # infinite values become NaN, which callers check for
        return np.asarray(values / np.where(lengths > 0, lengths, 1), np.float32)


def _chunk(chunk: pa.FixedSizeBinaryArray, kind: np.dtype, dimension: int) -> np.ndarray:
    values = np.frombuffer(chunk.buffers()[1], dtype=kind).reshape(-1, dimension)
    return values[chunk.offset : chunk.offset + len(chunk)]
