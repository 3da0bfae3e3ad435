"""Learners of trees: boosted trees, random forest, LightGBM.

Trees cannot use thousands of sparse terms. They read the terms in few dimensions (latent semantic
analysis) and, for each text block, the prediction of a linear model on it. That of the training
rows is made out of fold, or the trees would trust it too much (stacked generalisation, Wolpert
1992).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.categories import CategoryEncoder
from fusemine.tasks.mine.classify.learners.dense import SvdProjection, fit_svd
from fusemine.tasks.mine.classify.learners.linear import Linear, fit_logistic
from fusemine.tasks.mine.classify.learners.training_set import predict_estimator
from fusemine.tasks.stats.sampling import assign_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.transformers import BlockName, Rows
    from fusemine.tasks.mine.classify.learners.training_set import Matrices, TrainingSet
    from fusemine.tasks.stats.target import Floats

MAX_TREES, MIN_ROUNDS, LEARNING_RATE = 1000, 20, 0.05
VALIDATION_SHARE, PATIENCE = 0.15, 20
"""The share of the rows that early stopping is decided on, and after how many rounds."""
MIN_ROWS, MIN_CLASS_ROWS, DEFAULT_ROUNDS = 500, 5, 60
"""With fewer rows, or a class of fewer, there is no early stopping but so many rounds."""

INNER_FOLDS, INNER_ITERATIONS = 3, 30
"""Folds of the stacked predictions, and the solver's iterations: roughly is enough here."""
TERM_DIMENSIONS = 60
TEXT_BLOCKS: tuple[BlockName, ...] = ("terms", "text")
DENSE_BLOCKS: tuple[BlockName, ...] = ("dates", "levels", "rates")
"""Blocks that trees read as they are."""
LARGEST = 1e30
"""Larger numbers count as this, which float32 can still hold."""


@storable
@dataclass(frozen=True)
class TreeFeatures:
    """How rows become the columns that trees read."""

    levels: CategoryEncoder | None
    numbers: NDArray[np.intp]
    """The number columns that had a value."""
    dense: tuple[BlockName, ...]
    terms: SvdProjection | None
    """How the terms are reduced."""
    stacked: tuple[tuple[Linear, ...], ...]
    """Per text block the linear models of its inner folds."""

    @property
    def categories(self) -> int:
        """So many leading columns hold codes of categories."""
        return len(self.levels.names) if self.levels else 0

    def transform(self, rows: Rows, matrices: Matrices) -> Floats:
        """The columns (n, d) of new rows: those of `plain`, then the stacked predictions."""
        stacked = [
            np.mean([model.predict(rows, matrices) for model in models], axis=0)
            for models in self.stacked
        ]
        return np.hstack([self.plain(rows, matrices), *stacked])

    def plain(self, rows: Rows, matrices: Matrices) -> Floats:
        """The columns that no model makes (n, d): codes, numbers as they are, blocks, terms.

        Numbers need no scale and no imputation.
        """
        codes = [self.levels.codes(rows)] if self.levels else []
        dense = [matrices[name] for name in self.dense]
        terms = [] if self.terms is None else [self.terms.transform(matrices["terms"])]
        numbers = np.clip(rows.numbers[:, self.numbers], -LARGEST, LARGEST)
        return np.hstack([*codes, numbers, *dense, *terms])


def fit_tree_features(training: TrainingSet) -> tuple[TreeFeatures, Floats]:
    """Fit them on all the blocks of a training set, and give the columns (n, d) of its rows."""
    blocks, matrices = training.blocks, training.matrices
    encoder = blocks["categories"].transformer if "categories" in blocks else None
    with_value = ~np.isnan(training.rows.numbers).all(axis=0)
    found = [_stack(training.select([name])) for name in TEXT_BLOCKS if name in matrices]
    # The training rows keep their out-of-fold predictions; new rows get the mean of all folds.
    stacked = [pair for pair in found if pair is not None]
    features = TreeFeatures(
        levels=encoder if isinstance(encoder, CategoryEncoder) else None,
        numbers=np.flatnonzero(with_value & ("numbers" in blocks)),
        dense=tuple(name for name in DENSE_BLOCKS if name in matrices),
        terms=fit_svd(matrices["terms"], TERM_DIMENSIONS, training.seed)
        if "terms" in matrices
        else None,
        stacked=tuple(models for models, _ in stacked),
    )
    plain = features.plain(training.rows, matrices)
    return features, np.hstack([plain, *(predicted for _, predicted in stacked)])


def _stack(training: TrainingSet) -> tuple[tuple[Linear, ...], Floats] | None:
    """Linear models of one block, and the predictions of each for rows that it has not seen."""
    target = training.target
    fold = assign_folds(target, training.rows.clean, INNER_FOLDS, training.seed)
    # Without two classes in every training part there is nothing to stack.
    seen = [np.unique(target.values[fold != part]) for part in range(INNER_FOLDS)]
    if min(map(len, seen)) < 2:
        return None
    predicted = np.zeros((len(target), target.outputs))
    models: list[Linear] = []
    for part in range(INNER_FOLDS):
        # Each model predicts the fold that it has not seen.
        held = training.take(np.flatnonzero(fold == part))
        model = fit_logistic(training.take(np.flatnonzero(fold != part)), INNER_ITERATIONS)
        if model is not None:
            predicted[fold == part] = model.predict(held.rows, held.matrices)
            models.append(model)
    return (tuple(models), predicted) if models else None


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
    # Early stopping needs rows to spare, of every class.
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
    # Each split tries half of the columns, so that trees differ where few columns lead.
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
