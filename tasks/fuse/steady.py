"""Computing rows so that no result depends on the other rows.

BLAS sums in another order for another size of matrix, and a sparse sum goes by the order in which
words first occur. That changes last bits only, but where a tree splits or a calibrated probability
steps, these can decide. So rows that are scored are computed steadily: always as many at once, and
in an order of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

ROWS = 256


def steadily(compute: Callable[[NDArray[Any]], NDArray[Any]], matrix: NDArray[Any]) -> NDArray[Any]:
    """What `compute` makes of each row of a dense matrix (n, d); it is always given `ROWS` rows."""
    starts = range(0, max(len(matrix), 1), ROWS)
    found = [compute(_rows_from(matrix, start)) for start in starts]
    return np.concatenate(found)[: len(matrix)]


def in_pieces(matrices: Mapping[str, NDArray[Any]], rows: int) -> Iterator[dict[str, NDArray[Any]]]:
    """The rows of several matrices, each (n, d), `ROWS` at a time and at least once.

    The last ones are zero where there are no more.
    """
    for start in range(0, max(rows, 1), ROWS):
        yield {name: _rows_from(matrix, start) for name, matrix in matrices.items()}


def _rows_from(matrix: NDArray[Any], start: int) -> NDArray[Any]:
    """`ROWS` rows of a matrix (n, d), one after the other; those beyond its end are zero."""
    part = matrix[start : start + ROWS]
    if len(part) == ROWS:
        return np.ascontiguousarray(part)
    result = np.zeros((ROWS, *matrix.shape[1:]), dtype=matrix.dtype)
    result[: len(part)] = part
    return result
