"""Boosted trees on the plain table and on short forms of the texts.

Trees cannot use thousands of sparse terms. They read the terms in few dimensions (latent semantic
analysis) and, for each text block, the probabilities of a logistic regression on it. Those of the
training rows are made out of fold, or the trees would trust them too much (stacked
generalisation, Wolpert 1992).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.fuse.parts import BlockName, Categories, Matrix, Rows
from tasks.mine.folds import deal
from tasks.mine.logistic import Codes, Floats, Logistic, Matrices, fit_logistic, spread_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tasks.fuse.blocks import Block

INNER_FOLDS, INNER_STEPS = 3, 30
"""Parts for the stacked probabilities, and the solver's steps for each: roughly is enough."""
TOPICS = 60
"""Dimensions that the terms are reduced to."""
ROUNDS, TREES, LEARNING = 60, 240, 3.6
"""Rounds of boosting, trees in all of them, and the learning rate of all of them together."""
TEXT_BLOCKS: tuple[BlockName, ...] = ("terms", "text")


@dataclass(frozen=True)
class Texts:
    """The short forms of the text blocks."""

    topics: Any | None
    """A fitted truncated SVD of the terms."""
    stacked: tuple[tuple[Logistic, ...], ...]
    """Per text block the logistic regressions of its inner folds."""

    def columns(self, rows: Rows, matrices: Matrices) -> list[Floats]:
        """The topics, then the mean probabilities of each text block, of new rows."""
        topics = [] if self.topics is None else [self.topics.transform(matrices["terms"])]
        return topics + [
            np.mean([model.probabilities(rows, matrices) for model in models], axis=0)
            for models in self.stacked
        ]


@dataclass(frozen=True)
class Boosted:
    """Fitted boosted trees."""

    estimator: Any
    levels: Categories | None
    numbers: NDArray[np.intp]
    """The number columns that had a value."""
    texts: Texts
    classes: int

    def probabilities(self, rows: Rows, matrices: Matrices) -> Floats:
        """Probabilities (n, classes) of rows whose blocks are `matrices`."""
        table = _table(rows, self.levels, self.numbers)
        features = np.hstack([table, *self.texts.columns(rows, matrices)])
        return spread_out(self.estimator, features, self.classes)


def fit_boosted(
    rows: Rows,
    blocks: Mapping[BlockName, Block],
    matrices: Matrices,
    codes: Codes,
    classes: int,
    seed: int,
) -> Boosted | None:
    """Fit it on all the blocks given, or None if they leave nothing to read.

    Args:
        rows: The n training rows, for their plain numbers and categories.
        blocks: The fitted blocks.
        matrices: Their features, each (n, features).
        codes: Class of each row (n,), at least two classes.
        classes: How many classes there are, seen here or not.
        seed: Where the random numbers start.
    """
    part = blocks["categories"].part if "categories" in blocks else None
    levels = part if isinstance(part, Categories) else None
    numbers = np.flatnonzero(~np.isnan(rows.numbers).all(axis=0) & ("numbers" in blocks))
    table = _table(rows, levels, numbers)
    texts, found = _fit_texts(rows, matrices, codes, classes, seed)
    features = np.hstack([table, *found])
    if not features.shape[1]:
        return None
    estimator = _trees(len(levels.names) if levels else 0, classes, seed).fit(features, codes)
    return Boosted(estimator, levels, numbers, texts, classes)


def _table(rows: Rows, levels: Categories | None, numbers: NDArray[np.intp]) -> Floats:
    """Categories as codes, then numbers as they are: trees need no scale and no imputation."""
    parts = [levels.codes(rows)] if levels else []
    return np.hstack([*parts, rows.numbers[:, numbers]])


def _fit_texts(
    rows: Rows, matrices: Matrices, codes: Codes, classes: int, seed: int
) -> tuple[Texts, list[Floats]]:
    topics = _fit_topics(matrices.get("terms"), seed)
    found = [] if topics is None else [topics.transform(matrices["terms"])]
    fold = deal(codes, INNER_FOLDS, seed)
    stacked = []
    # Without two classes in every part there is nothing to stack.
    if all(len(np.unique(codes[fold != part])) > 1 for part in range(INNER_FOLDS)):
        for name in (name for name in TEXT_BLOCKS if name in matrices):
            models, scores = _stack(rows, {name: matrices[name]}, codes, classes, fold)
            stacked.append(models)
            found.append(scores)
    return Texts(topics, tuple(stacked)), found


def _stack(
    rows: Rows, matrices: Matrices, codes: Codes, classes: int, fold: Codes
) -> tuple[tuple[Logistic, ...], Floats]:
    scores = np.zeros((len(codes), classes))
    models = []
    for part in range(INNER_FOLDS):
        learnt, held = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        seen = {name: matrix[learnt] for name, matrix in matrices.items()}
        unseen = {name: matrix[held] for name, matrix in matrices.items()}
        model = fit_logistic(seen, codes[learnt], classes, INNER_STEPS)
        scores[held] = model.probabilities(rows, unseen)
        models.append(model)
    return tuple(models), scores


def _fit_topics(terms: Matrix | None, seed: int) -> Any | None:
    if terms is None or min(terms.shape) < 3:
        return None
    from sklearn.decomposition import TruncatedSVD

    dimensions = min(TOPICS, min(terms.shape) - 1)
    return TruncatedSVD(dimensions, n_iter=3, random_state=seed).fit(terms)


def _trees(categories: int, classes: int, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    # A round makes one tree per class, so many classes get fewer and bolder rounds.
    rounds = max(10, min(ROUNDS, TREES // classes))
    return HistGradientBoostingClassifier(
        max_iter=rounds,
        learning_rate=min(0.3, LEARNING / rounds),
        l2_regularization=1.0,
        max_features=0.5,
        categorical_features=list(range(categories)),
        early_stopping=False,
        random_state=seed,
    )
