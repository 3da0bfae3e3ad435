"""Vectors keep every bit on their way through Parquet."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from fusemine.tasks.core.vectors import dtype_of, to_arrow, to_numpy

MATRICES = hn.arrays(
    np.float32,
    st.tuples(st.integers(0, 8), st.integers(1, 6)),
    elements=st.floats(width=32, allow_nan=True),
)


def column(*arrays: pa.Array) -> pa.ChunkedArray:
    return pa.chunked_array(list(arrays))


@given(matrix=MATRICES)
def test_a_matrix_comes_back_from_a_parquet_file(
    folders: Callable[[], Path], matrix: np.ndarray
) -> None:
    path = folders() / "vectors.parquet"
    pq.write_table(pa.table({"v": to_arrow(matrix)}), path, row_group_size=3)
    assert to_numpy(pq.read_table(path).column("v")).tobytes() == matrix.tobytes()


@given(MATRICES, st.integers(0, 8), st.integers(0, 8))
def test_a_matrix_and_any_slice_of_it_come_back_bit_for_bit(
    matrix: np.ndarray, start: int, length: int
) -> None:
    again = to_numpy(column(to_arrow(matrix)).slice(start, length))
    wanted = matrix[start : start + length]
    assert (again.dtype, again.shape) == (np.float32, wanted.shape)
    assert again.tobytes() == wanted.tobytes()


def test_chunks_are_joined_in_order() -> None:
    first, second = np.eye(3, dtype=np.float32), np.full((2, 3), 7, np.float32)
    joined = to_numpy(column(to_arrow(first), to_arrow(second)))
    assert joined.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [7, 7, 7], [7, 7, 7]]


@pytest.mark.parametrize("dtype", [np.float64, ">f4"])
def test_other_floats_are_stored_as_little_endian_float32(dtype: str) -> None:
    stored = to_arrow(np.array([[1.0, 2.0]], dtype))
    assert stored.type == pa.binary(8)
    assert stored[0].as_py() == np.array([1, 2], "<f4").tobytes()


def test_columns_taken_apart_from_a_larger_matrix_are_stored_right() -> None:
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert to_numpy(column(to_arrow(matrix[:, ::2]))).tolist() == [[0, 2], [4, 6], [8, 10]]


def test_a_column_without_chunks_is_an_empty_matrix() -> None:
    empty = pa.chunked_array([], type=pa.binary(12))
    assert to_numpy(empty).shape == (0, 3)


def test_half_precision_stays_half_precision_and_its_schema_has_it() -> None:
    matrix = np.array([[0.5, -0.25, 0.125]], np.float16)
    stored = pa.table({"v": to_arrow(matrix)}).replace_schema_metadata({"dtype": "float16"})
    assert stored.column("v").type == pa.binary(6)
    assert dtype_of(stored.schema) == "float16"
    again = to_numpy(stored.column("v"), dtype_of(stored.schema))
    assert again.dtype == np.float16
    assert again.tolist() == matrix.tolist()
    assert dtype_of(pa.schema([])) == "float32"


def test_a_column_of_one_chunk_is_read_without_a_copy() -> None:
    import torch

    stored = column(to_arrow(np.arange(12, dtype=np.float32).reshape(4, 3)))
    matrix = to_numpy(stored)
    address = stored.chunk(0).buffers()[1].address
    assert matrix.ctypes.data == address
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of memory that it must not write to
        tensor = torch.from_numpy(matrix)
    assert tensor.data_ptr() == address
    assert tensor.tolist() == matrix.tolist()
