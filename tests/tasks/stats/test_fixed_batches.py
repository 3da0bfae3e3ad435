"""Rows that are scored get the same bits beside any others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fusemine.tasks.stats.fixed_batches import SIZES, compute_in_batches, stable_batch_size

Batch = dict[str, NDArray[Any]]


def doubled(batch: Batch) -> NDArray[Any]:
    return np.hstack([2 * matrix for matrix in batch.values()])


@pytest.mark.parametrize("place", [20, 70, 3])
def test_a_batch_ends_before_the_place_whose_rows_are_computed_otherwise(place: int) -> None:
    def uneven(batch: Batch) -> NDArray[Any]:
        found = doubled(batch)
        found[place:] *= 1 + 1e-7
        return found

    expected = max(size for size in SIZES if size <= place)
    assert stable_batch_size(uneven, {"a": 3, "b": 2}) == expected


def test_where_no_place_matters_batches_are_large() -> None:
    assert stable_batch_size(doubled, {"a": 3}) == SIZES[0]
    assert stable_batch_size(lambda batch: batch["a"] * np.nan, {"a": 3}) == SIZES[0]


@pytest.mark.parametrize("rows", [0, 1, 15, 16, 40])
@pytest.mark.parametrize("size", [1, 16])
def test_every_batch_has_one_size_and_every_row_comes_back(rows: int, size: int) -> None:
    matrix, seen = np.arange(rows * 2.0).reshape(rows, 2), set()

    def compute(part: NDArray[Any]) -> NDArray[Any]:
        seen.add(len(part))
        return part + 1

    np.testing.assert_array_equal(compute_in_batches(compute, matrix, size), matrix + 1)
    assert seen == {size}
