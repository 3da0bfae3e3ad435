"""Logistic regression on blocks side by side."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tasks.fuse.parts import BlockName, Matrix, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Codes: TypeAlias = "NDArray[np.int64]"
Matrices: TypeAlias = Mapping[BlockName, Matrix]
STEPS = 60


@dataclass(frozen=True)
class Logistic:
    """Fitted logistic regression."""

    names: tuple[BlockName, ...]
    """The blocks that it reads, in the order of its coefficients."""
    estimator: Any
    classes: int

    def probabilities(self, _: Rows, matrices: Matrices) -> Floats:
        """Probabilities (n, classes) of rows whose blocks are `matrices`."""
        features = side_by_side([matrices[name] for name in self.names])
        return spread_out(self.estimator, features, self.classes)


def fit_logistic(matrices: Matrices, codes: Codes, classes: int, steps: int = STEPS) -> Logistic:
    """Fit it on all the blocks given.

    Args:
        matrices: The blocks, each (n, features).
        codes: Class of each row (n,), at least two classes.
        classes: How many classes there are, seen here or not.
        steps: The most steps of the solver; with two classes it mostly ends earlier.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # Each block brings its own regularisation as its scale, so C stays 1.
    estimator = LogisticRegression(max_iter=steps)
    with warnings.catch_warnings():
        # Where classes can be parted perfectly the optimum is far off, and near enough is good.
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(side_by_side(list(matrices.values())), codes)
    return Logistic(tuple(matrices), estimator, classes)


def side_by_side(matrices: Sequence[Matrix]) -> Matrix:
    """One float32 matrix (n, features), sparse if any of them is."""
    from scipy import sparse

    if any(sparse.issparse(matrix) for matrix in matrices):
        return sparse.hstack(matrices, format="csr", dtype=np.float32)
    return np.hstack(matrices)


def spread_out(estimator: Any, features: Matrix, classes: int) -> Floats:
    """Probabilities (n, classes) of an estimator that may not have seen every class."""
    result = np.zeros((features.shape[0], classes))
    result[:, estimator.classes_] = estimator.predict_proba(features)
    return result
