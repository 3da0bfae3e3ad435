"""Linear learners on blocks side by side: logistic regression, linear SVM, ridge regression."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.training_set import (
    Floats,
    Lesson,
    Matrices,
    estimated,
    side_by_side,
)
from fusemine.tasks.stats.fixed_batches import batch_size, computed

if TYPE_CHECKING:
    from fusemine.tasks.fuse.transformers import BlockName, Matrix, Rows

STEPS = 60
SVM_FOLDS = 3
"""Parts for the SVM's probabilities: Platt's sigmoid is fitted to out-of-fold margins."""


@storable
@dataclass(frozen=True)
class Linear:
    """A fitted linear learner."""

    names: tuple[BlockName, ...]
    """The blocks that it reads, in the order of its coefficients."""
    estimator: Any
    outputs: int

    def predict(self, _: Rows, matrices: Matrices) -> Floats:
        """Probabilities or numbers (n, outputs) of rows whose blocks are `matrices`."""
        features = side_by_side([matrices[name] for name in self.names])
        if not isinstance(features, np.ndarray):
            return self._estimated(features)
        return computed(self._estimated, features, self._batch)

    @cached_property
    def _batch(self) -> int:
        widths = {"": self.estimator.n_features_in_}
        return batch_size(lambda batch: self._estimated(batch[""]), widths)

    def _estimated(self, features: Matrix) -> Floats:
        return estimated(self.estimator, features, self.outputs)

    def coefficients(self) -> Floats | None:
        """Coefficients (outputs, features), 0 for a class not seen; None if it has none."""
        if not hasattr(self.estimator, "coef_"):
            return None
        known = np.atleast_2d(self.estimator.coef_)
        if not hasattr(self.estimator, "classes_"):
            return np.asarray(known)
        rows = np.concatenate([-known, known]) if len(known) == 1 else known
        result = np.zeros((self.outputs, known.shape[1]))
        result[self.estimator.classes_] = rows
        return result


def fit_logistic(lesson: Lesson, steps: int = STEPS) -> Linear | None:
    """Logistic regression on all the blocks given; ridge regression for numbers.

    Args:
        lesson: What it learns from.
        steps: The most steps of the solver; with two classes it mostly ends earlier.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    # Each block brings its own regularisation as its scale, so that strengths stay 1.
    if lesson.target.is_number:
        return _fit(Ridge(alpha=1.0, solver="lsqr"), lesson)
    return _fit(LogisticRegression(max_iter=steps), lesson)


def fit_svm(lesson: Lesson) -> Linear | None:
    """A linear support vector machine; the classes' margins are made probabilities.

    A class of fewer rows than `SVM_FOLDS` cannot be in every part: it is not learnt, and has
    probability 0.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import LinearSVC, LinearSVR

    if lesson.target.is_number:
        return _fit(LinearSVR(max_iter=2000, random_state=lesson.seed), lesson)
    known = np.bincount(lesson.target.values, minlength=lesson.target.classes) >= SVM_FOLDS
    if np.count_nonzero(known) < 2:
        return None
    if not known.all():
        lesson = lesson.take(np.flatnonzero(known[lesson.target.values]))
    margin = LinearSVC(C=0.1, random_state=lesson.seed)
    return _fit(CalibratedClassifierCV(margin, cv=SVM_FOLDS, ensemble=False), lesson)


def _fit(estimator: Any, lesson: Lesson) -> Linear | None:
    from sklearn.exceptions import ConvergenceWarning

    if not lesson.matrices:
        return None
    features = side_by_side(list(lesson.matrices.values()))
    with warnings.catch_warnings():
        # Where classes can be parted perfectly the optimum is far off, and near enough is good.
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(features, lesson.target.values, sample_weight=lesson.counts)
    return Linear(tuple(lesson.matrices), estimator, lesson.target.outputs)
