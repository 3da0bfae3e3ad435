"""The matrix of a static model, and means of its rows."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from fusemine.tasks.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# How the matrix is called by sentence-transformers and wordllama, and by model2vec.
_MATRICES = ("embedding.weight", "embeddings")
# So many tokens are added up by themselves: float32 loses digits in a longer sum.
_RUN = 1024


def tensor_names(path: Path) -> list[str]:
    """Names of the tensors in a safetensors file; none where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            return list(file.keys())
    except (OSError, SafetensorError):
        return []


class Table:
    """The vectors of tokens.

    Args:
        path: A safetensors file with a matrix and, as newer versions of model2vec write them,
            a weight for each token and the row that it shares with others.

    Attributes:
        dimension: Length of a vector.
        tokens: How many have one.

    Raises:
        ModelError: It cannot be read or is no such file.
    """

    def __init__(self, path: Path) -> None:
        tensors = _load(path)
        matrix = next((tensors[name] for name in _MATRICES if name in tensors), None)
        if matrix is None or matrix.ndim != 2 or not matrix.size:
            _refuse(path, "without a matrix of token vectors")
        self._matrix = np.ascontiguousarray(matrix, np.float32)
        self._rows, self._weights = tensors.get("mapping"), tensors.get("weights")
        self.dimension = int(matrix.shape[1])
        self.tokens = len(matrix) if self._rows is None else self._rows.size
        if self._rows is not None and not _are_rows(self._rows, len(matrix)):
            _refuse(path, "that maps tokens to rows which its matrix does not have")
        if self._weights is not None and self._weights.shape != (self.tokens,):
            _refuse(path, f"with {self._weights.shape} weights for {self.tokens} tokens")

    def means(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """The mean of the vectors of each list's tokens.

        It has the same bits whatever else is in the call.

        Args:
            ids: Lists of tokens below `tokens`; an empty one gets zeros.

        Returns:
            float32 of shape (lists, dimension).
        """
        from scipy.sparse import csr_array

        sizes = np.fromiter(map(len, ids), np.int64, len(ids))
        tokens = np.fromiter(chain.from_iterable(ids), np.int64, int(sizes.sum()))
        rows = tokens if self._rows is None else self._rows[tokens]
        weights = np.ones(len(rows)) if self._weights is None else self._weights[tokens]
        runs, bounds = _runs(sizes)
        # A product with a sparse matrix adds up the rows one after the other, without a copy.
        shape = (len(bounds) - 1, len(self._matrix))
        sums = csr_array((weights.astype(np.float32), rows, bounds), shape) @ self._matrix
        ones, ends = np.ones(len(sums), np.float32), np.append(0, np.cumsum(runs))
        sums = csr_array((ones, np.arange(len(sums)), ends), (len(ids), len(sums))) @ sums
        return np.asarray(sums / np.maximum(sizes, 1).astype(np.float32)[:, None])


def _runs(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many runs each list has, and where they begin, with the end of the last one."""
    runs = -(-sizes // _RUN)
    within = np.arange(runs.sum()) - np.repeat(np.cumsum(runs) - runs, runs)
    starts = np.repeat(np.cumsum(sizes) - sizes, runs) + _RUN * within
    return runs, np.append(starts, sizes.sum())


def _are_rows(rows: np.ndarray, count: int) -> bool:
    whole = rows.ndim == 1 and rows.dtype.kind in "iu" and rows.size > 0
    return bool(whole and rows.min() >= 0 and rows.max() < count)


def _load(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    # numpy lacks some types of numbers: a KeyError or a TypeError.
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        _refuse(path, f"which cannot be read ({str(error)[:100]})", error)


def _refuse(path: Path, what: str, cause: Exception | None = None) -> NoReturn:
    raise ModelError(
        got=f"{path} {what}" if cause is None else f"{path}, {what}",
        expected="the vectors of a model's tokens, float16 or float32, in safetensors",
        fix="fetch the model again or name another one",
    ) from cause
