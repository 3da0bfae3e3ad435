"""How well one feature alone predicts the label, for rows that it was not fitted on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.classify.learners.training_set import predict_estimator
from fusemine.tasks.stats.sampling import strata, stratified_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats, Target

FOLDS = 5
LEAVES, NUMBER_LEAVES = 32, 256
"""Leaves of a tree that separates classes (two a class if there are many), or predicts numbers."""
LEAF_ROWS = 20
"""Rows of a leaf, fewer in a small table: smaller leaves would learn a copy's errors too."""
FEW = 5
"""A class of fewer rows, or with fewer rows outside it, has no area under the ROC curve here."""
MIN_PROBABILITY = 1e-3
"""Smaller probabilities count as this, so that one exception does not outweigh all else."""


def out_of_fold(feature: NDArray[Any], levels: bool, target: Target, seed: int) -> Floats:
    """The predictions of one feature alone (n, `target.outputs`), out of fold.

    Levels predict the label that their rows have on average, drawn towards that of all rows where
    they are few; numbers predict by a small decision tree, missing ones included.

    Args:
        feature: Numbers of the n rows, NaN where missing; or their levels from 0 up.
        levels: Which of the two.
        target: The label of the rows.
        seed: Of the folds and of the trees' choice between equals.
    """
    fold = stratified_folds(strata(target), FOLDS, seed)
    found = np.tile(target.prior(), (len(target), 1))
    column = (feature if levels else _ranks(feature)).reshape(-1, 1)
    for part in np.unique(fold):
        held = fold == part
        model = _level_model(column, target) if levels else _tree(target, seed)
        model.fit(column[~held], target.values[~held])
        # TargetEncoder transforms where the other models predict.
        if hasattr(model, "transform"):
            found[held] = np.asarray(model.transform(column[held]), dtype=np.float64)
        else:
            found[held] = predict_estimator(model, column[held], target.outputs)
    return found


def score(target: Target, predicted: Floats) -> float | None:
    """ROC-AUC, one class versus the rest, averaged over the classes; or R² of numbers.

    Args:
        target: The label of n rows.
        predicted: Predictions (n, `target.outputs`).

    Returns:
        None if there is nothing to rank: no class has five rows in it and five outside it, or all
        numbers are the same.
    """
    if not target.is_number:
        found = roc_aucs(target, predicted)
        return float(np.mean(list(found.values()))) if found else None
    from sklearn.metrics import r2_score

    if len(target) < 2 or np.ptp(target.values) == 0:
        return None
    return float(r2_score(target.values, predicted.ravel()))


def roc_aucs(target: Target, predicted: Floats) -> dict[int, float]:
    """The area under the ROC curve of each class against the rest, where it has rows enough."""
    from sklearn.metrics import roc_auc_score

    counts = np.bincount(target.values, minlength=target.classes)
    ranked = np.flatnonzero((counts >= FEW) & (len(target) - counts >= FEW))
    return {int(k): float(roc_auc_score(target.values == k, predicted[:, k])) for k in ranked}


def uncertainty_explained(target: Target, predicted: Floats) -> float:
    """The share of the classes' uncertainty that is gone: 1 if they are predicted for sure.

    One minus the log loss over that of predicting the classes' shares (McFadden 1974), at least
    0. Unlike an area it is low if a class is recognised in some of its rows only.

    Args:
        target: The classes of n rows.
        predicted: Probabilities (n, classes).
    """
    own = np.maximum(predicted[np.arange(len(target)), target.values], MIN_PROBABILITY)
    prior = target.prior()[target.values]
    return float(max(0.0, 1 - np.log(own).mean() / np.log(prior).mean()))


def _ranks(numbers: Floats) -> Floats:
    """The ranks of the numbers: trees read float32, which cannot hold every number apart."""
    _, places = np.unique(numbers, return_inverse=True)
    return np.where(np.isnan(numbers), np.nan, places.astype(np.float64))


def _tree(target: Target, seed: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if target.is_number:
        return DecisionTreeRegressor(max_leaf_nodes=NUMBER_LEAVES, random_state=seed)
    leaves = max(LEAVES, 2 * target.classes)
    least = min(LEAF_ROWS, len(target) // LEAF_ROWS + 1)
    return DecisionTreeClassifier(max_leaf_nodes=leaves, min_samples_leaf=least, random_state=seed)


def _level_model(column: NDArray[Any], target: Target) -> Any:
    if target.is_number:
        from sklearn.preprocessing import TargetEncoder

        return TargetEncoder(target_type="continuous")
    from sklearn.naive_bayes import CategoricalNB

    # Of a single column this is target encoding, for any number of classes at once.
    return CategoricalNB(min_categories=int(column.max()) + 1)
