"""What trees read of rows: plain columns, and texts in few dimensions.

Trees cannot use thousands of sparse terms. They read the terms in few dimensions (latent semantic
analysis) and, for each text block, the prediction of a linear model on it. That of the training
rows is made out of fold, or the trees would trust it too much (stacked generalisation, Wolpert
1992).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.categories import CategoryEncoder
from fusemine.tasks.mine.classify.learners.dense import SvdProjection, fit_svd
from fusemine.tasks.mine.classify.learners.linear import Linear, fit_logistic
from fusemine.tasks.stats.sampling import assign_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.transformers import BlockName, Rows
    from fusemine.tasks.mine.classify.learners.training_set import Matrices, TrainingSet
    from fusemine.tasks.stats.target import Floats

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
        held = training.take(np.flatnonzero(fold == part))
        model = fit_logistic(training.take(np.flatnonzero(fold != part)), INNER_ITERATIONS)
        if model is not None:
            predicted[fold == part] = model.predict(held.rows, held.matrices)
            models.append(model)
    return (tuple(models), predicted) if models else None
