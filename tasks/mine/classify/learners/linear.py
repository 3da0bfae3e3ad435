"""Linear learners on blocks side by side: logistic regression, linear SVM, ridge regression."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.training_set import (
    FittedEstimator,
    Matrices,
    TrainingSet,
    hstack_matrices,
)

if TYPE_CHECKING:
    from fusemine.tasks.fuse.transformers import BlockName, Rows
    from fusemine.tasks.stats.target import Floats

MAX_ITERATIONS = 60
SVM_FOLDS = 3
"""Folds for the SVM's probabilities: Platt's sigmoid is fitted to out-of-fold margins."""


@storable
@dataclass(frozen=True)
class Linear:
    """A fitted linear learner."""

    names: tuple[BlockName, ...]
    """The blocks that it reads, in the order of its coefficients."""
    fitted: FittedEstimator

    def predict(self, _: Rows, matrices: Matrices) -> Floats:
        """Probabilities or numbers (n, outputs) of rows whose blocks are `matrices`."""
        return self.fitted.predict(hstack_matrices([matrices[name] for name in self.names]))

    def coefficients(self) -> Floats | None:
        """Coefficients (outputs, features), 0 for a class not seen; None if it has none."""
        estimator = self.fitted.estimator
        if not hasattr(estimator, "coef_"):
            return None
        known = np.atleast_2d(estimator.coef_)
        if not hasattr(estimator, "classes_"):
            return np.asarray(known)
        # Of two classes scikit-learn keeps one row of coefficients; the other has opposite signs.
        result = np.zeros((self.fitted.outputs, known.shape[1]))
        result[estimator.classes_] = np.concatenate([-known, known]) if len(known) == 1 else known
        return result


def fit_logistic(training: TrainingSet, max_iter: int = MAX_ITERATIONS) -> Linear | None:
    """Logistic regression on all the blocks given; ridge regression for numbers.

    Args:
        training: What it learns from.
        max_iter: The most iterations of the solver; with two classes it mostly ends earlier.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    # Each block brings its own regularisation as its scale, so that strengths stay 1.
    if training.target.is_number:
        return _fit(Ridge(alpha=1.0, solver="lsqr"), training)
    return _fit(LogisticRegression(max_iter=max_iter), training)


def fit_svm(training: TrainingSet) -> Linear | None:
    """A linear support vector machine, whose margins become probabilities by Platt's sigmoid.

    A class of fewer rows than `SVM_FOLDS` cannot be in every fold: it is not learnt, and has
    probability 0.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import LinearSVC, LinearSVR

    target = training.target
    if target.is_number:
        return _fit(LinearSVR(max_iter=2000, random_state=training.seed), training)
    known = np.bincount(target.values, minlength=target.classes) >= SVM_FOLDS
    if np.count_nonzero(known) < 2:
        return None
    if not known.all():
        training = training.take(np.flatnonzero(known[target.values]))
    margin = LinearSVC(C=0.1, random_state=training.seed)
    return _fit(CalibratedClassifierCV(margin, cv=SVM_FOLDS, ensemble=False), training)


def _fit(estimator: Any, training: TrainingSet) -> Linear | None:
    from sklearn.exceptions import ConvergenceWarning

    if not training.matrices:
        return None
    features = hstack_matrices(list(training.matrices.values()))
    with warnings.catch_warnings():
        # Where classes separate perfectly the optimum is far off, and near enough is good.
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(features, training.target.values, sample_weight=training.sample_weights)
    fitted = FittedEstimator(estimator, training.target.outputs)
    return Linear(tuple(training.matrices), fitted)
