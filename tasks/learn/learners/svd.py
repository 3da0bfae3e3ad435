"""Sparse blocks in few dimensions (latent semantic analysis)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tasks.fuse.parts import Matrix


def fit_svd(matrix: Matrix, dimensions: int, seed: int) -> Any | None:
    """A fitted truncated SVD of (n, features) to at most so many dimensions.

    None where there is too little to reduce.
    """
    from sklearn.decomposition import TruncatedSVD

    most = min(dimensions, min(matrix.shape) - 1)
    if most < 2:
        return None
    # Where all rows are alike scikit-learn divides by a spread of 0, for a figure not used here.
    with np.errstate(divide="ignore", invalid="ignore"):
        return TruncatedSVD(most, n_iter=3, random_state=seed).fit(matrix)
