"""Sparse blocks in few dimensions (latent semantic analysis)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.transformers import Matrix


@storable
@dataclass(frozen=True)
class Reduced:
    """Directions (features, k) that rows are placed along, in the order of what they say."""

    directions: NDArray[np.float32]

    def transform(self, matrix: Matrix) -> NDArray[np.float32]:
        """The places (n, k) of rows (n, features)."""
        return np.asarray(matrix @ self.directions)


def fit_svd(matrix: Matrix, dimensions: int, seed: int) -> Reduced | None:
    """A truncated SVD of (n, features) to at most so many dimensions.

    None where there is too little to reduce.
    """
    from sklearn.decomposition import TruncatedSVD

    most = min(dimensions, min(matrix.shape) - 1)
    if most < 2:
        return None
    # Where all rows are alike scikit-learn divides by a spread of 0, for a figure not used here.
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted = TruncatedSVD(most, n_iter=3, random_state=seed).fit(matrix)
    # As a product with sparse rows reads them, which scikit-learn would bring about each time.
    return Reduced(np.ascontiguousarray(fitted.components_.T))
