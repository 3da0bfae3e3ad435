"""Computing rows in batches of one size, so that no result depends on the rows beside it.

BLAS sums in another order for another size of matrix, and for some sizes in another order for the
last rows than for the first. That changes last bits only, but where a tree splits or a calibrated
probability steps, these can decide. So rows that are scored are computed in batches of a fixed
size. No library promises that a row's place in such a batch makes no difference, so each fitted
model tests whether that holds on this processor, and takes smaller batches where it does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

SIZES = (256, 64, 16, 1)
"""Rows of a batch, from the fastest to the safest: a row alone has one place."""
_SHIFTS = (1, 7, 100, 255)
"""By so many places rows are moved to test whether their place matters."""


def stable_batch_size(
    compute: Callable[[dict[str, NDArray[Any]]], NDArray[Any]],
    widths: Mapping[str, int],
    dtype: Any = np.float32,
) -> int:
    """The largest batch in which each row gets the same bits wherever it stands.

    Args:
        compute: Computes the rows of matrices, each (n, its width): an array (n, …).
        widths: Columns of each matrix.
        dtype: Of the matrices.
    """
    random = np.random.default_rng(0)
    drawn = {n: random.standard_normal((SIZES[0], w)).astype(dtype) for n, w in widths.items()}
    for size in SIZES[:-1]:
        batch = {name: matrix[:size] for name, matrix in drawn.items()}
        found = compute(batch)
        moved = (
            np.roll(compute({n: np.roll(m, shift, axis=0) for n, m in batch.items()}), -shift, 0)
            for shift in _SHIFTS
        )
        if all(np.array_equal(found, other, equal_nan=True) for other in moved):
            return size
    return SIZES[-1]


def in_batches(
    matrices: Mapping[str, NDArray[Any]], rows: int, size: int
) -> Iterator[dict[str, NDArray[Any]]]:
    """The rows of several matrices, each (n, d), `size` at a time and at least once.

    The last batch is filled up with zeros.
    """
    for start in range(0, max(rows, 1), size):
        yield {name: _rows_from(matrix, start, size) for name, matrix in matrices.items()}


def compute_in_batches(
    compute: Callable[[NDArray[Any]], NDArray[Any]], matrix: NDArray[Any], size: int
) -> NDArray[Any]:
    """What `compute` makes of each row of a matrix (n, d), given `size` rows at a time: (n, …)."""
    batches = in_batches({"": matrix}, len(matrix), size)
    return np.concatenate([compute(batch[""]) for batch in batches])[: len(matrix)]


def _rows_from(matrix: NDArray[Any], start: int, size: int) -> NDArray[Any]:
    part = matrix[start : start + size]
    if len(part) == size:
        return np.ascontiguousarray(part)
    result = np.zeros((size, *matrix.shape[1:]), dtype=matrix.dtype)
    result[: len(part)] = part
    return result
