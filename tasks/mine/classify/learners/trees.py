"""Learners of trees: boosted trees, random forest, LightGBM."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.training_set import (
    Matrices,
    TrainingSet,
    predict_estimator,
)
from fusemine.tasks.mine.classify.learners.tree_features import TreeFeatures, fit_tree_features

if TYPE_CHECKING:
    from fusemine.tasks.fuse.transformers import Rows
    from fusemine.tasks.stats.target import Floats

MAX_TREES, MIN_ROUNDS, LEARNING_RATE = 1000, 20, 0.05
VALIDATION_SHARE, PATIENCE = 0.15, 20
"""The share of the rows that early stopping is decided on, and after how many rounds."""
MIN_ROWS, MIN_CLASS_ROWS, DEFAULT_ROUNDS = 500, 5, 60
"""With fewer rows, or a class of fewer, there is no early stopping but so many rounds."""


@storable
@dataclass(frozen=True)
class Trees:
    """A fitted learner of trees."""

    features: TreeFeatures
    estimator: Any
    outputs: int

    def predict(self, rows: Rows, matrices: Matrices) -> Floats:
        """Probabilities or numbers (n, outputs) of rows whose blocks are `matrices`."""
        columns = self.features.transform(rows, matrices)
        return predict_estimator(self.estimator, columns, self.outputs)


def fit_boosted(training: TrainingSet) -> Trees | None:
    """Histogram gradient boosting, with as many rounds as help rows that are held out.

    A small table has none to spare and gets a number of rounds that is mostly good.
    """
    features, columns = fit_tree_features(training)
    rounds = _best_rounds(features, columns, training) or DEFAULT_ROUNDS
    estimator = _boosting(features, training, max_iter=rounds, early_stopping=False)
    return _fit(estimator, features, columns, training)


def _best_rounds(features: TreeFeatures, columns: Floats, training: TrainingSet) -> int | None:
    """The rounds after which held-out rows are predicted no better; None for a small table."""
    values, target = training.target.values, training.target
    seen = [MIN_ROWS] if target.is_number else np.bincount(values)[np.unique(values)]
    if len(target) < MIN_ROWS or min(seen) < MIN_CLASS_ROWS or not columns.shape[1]:
        return None
    estimator = _boosting(
        features,
        training,
        max_iter=max(MIN_ROUNDS, MAX_TREES // target.outputs),
        early_stopping=True,
        validation_fraction=VALIDATION_SHARE,
        n_iter_no_change=PATIENCE,
    )
    estimator.fit(columns, values, sample_weight=training.sample_weights)
    return int(estimator.n_iter_)


def _learning_rate(training: TrainingSet) -> float:
    """A round makes one tree per class, so many classes get fewer rounds of larger steps."""
    return min(0.3, LEARNING_RATE * max(1.0, training.target.outputs / 2))


def _boosting(features: TreeFeatures, training: TrainingSet, **settings: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    number = training.target.is_number
    kind = HistGradientBoostingRegressor if number else HistGradientBoostingClassifier
    return kind(
        learning_rate=_learning_rate(training),
        l2_regularization=1.0,
        max_features=0.5,
        categorical_features=list(range(features.categories)),
        random_state=training.seed,
        **settings,
    )


def fit_forest(training: TrainingSet) -> Trees | None:
    """A random forest (Breiman 2001)."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestRegressor if training.target.is_number else RandomForestClassifier
    estimator = kind(n_estimators=200, min_samples_leaf=3, n_jobs=1, random_state=training.seed)
    return _fit(estimator, *fit_tree_features(training), training)


def fit_lightgbm(training: TrainingSet) -> Trees | None:
    """LightGBM, of the extra `lightgbm`.

    Raises:
        SettingsError: It is not installed.
    """
    if find_spec("lightgbm") is None:
        raise SettingsError(
            got="classify.learner lightgbm, which is not installed",
            expected="the package lightgbm",
            fix="install it: pip install 'fusemine[lightgbm]'; or name another learner",
        )
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMRegressor if training.target.is_number else LGBMClassifier
    features, columns = fit_tree_features(training)
    estimator = kind(
        n_estimators=max(MIN_ROUNDS, min(300, MAX_TREES // training.target.outputs)),
        learning_rate=_learning_rate(training),
        num_leaves=31,
        colsample_bytree=0.5,
        reg_lambda=1.0,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        random_state=training.seed,
        verbosity=-1,
    )
    categories = list(range(features.categories))
    return _fit(estimator, features, columns, training, categorical_feature=categories)


def _fit(
    estimator: Any, features: TreeFeatures, columns: Floats, training: TrainingSet, **more: Any
) -> Trees | None:
    if not columns.shape[1]:
        return None
    weights = training.sample_weights
    estimator.fit(columns, training.target.values, sample_weight=weights, **more)
    return Trees(features, estimator, training.target.outputs)
