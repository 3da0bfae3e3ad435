"""The short form of rows that trees read: plain columns, and texts in few dimensions.

Trees cannot use thousands of sparse terms. They read the terms in few dimensions (latent semantic
analysis) and, for each text block, what a linear model on it foretells. That of the training rows
is made out of fold, or the trees would trust it too much (stacked generalisation, Wolpert 1992).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.categories import Categories
from fusemine.tasks.mine.classify.learners.linear import fit_logistic
from fusemine.tasks.mine.classify.learners.svd import Reduced, fit_svd
from fusemine.tasks.stats.folds import folds_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.transformers import BlockName, Rows
    from fusemine.tasks.mine.classify.learners.training_set import (
        Floats,
        Lesson,
        Matrices,
        Member,
    )

INNER_FOLDS, INNER_STEPS = 3, 30
"""Parts for the stacked predictions, and the solver's steps for each: roughly is enough."""
TOPICS = 60
"""Dimensions that the terms are reduced to."""
TEXT_BLOCKS: tuple[BlockName, ...] = ("terms", "text")
FARTHEST = 1e30
"""No number is read as more than this, which float32 still knows."""
DENSE_BLOCKS: tuple[BlockName, ...] = ("dates", "levels", "rates")
"""Blocks that trees read as they are."""


@storable
@dataclass(frozen=True)
class ShortForm:
    """How rows become the columns that trees read."""

    levels: Categories | None
    numbers: NDArray[np.intp]
    """The number columns that had a value."""
    dense: tuple[BlockName, ...]
    topics: Reduced | None
    """How the terms are reduced."""
    stacked: tuple[tuple[Member, ...], ...]
    """Per text block the linear models of its inner folds."""

    @property
    def categories(self) -> int:
        """So many leading columns hold codes of categories."""
        return len(self.levels.names) if self.levels else 0

    def columns(self, rows: Rows, matrices: Matrices) -> Floats:
        """The columns (n, d) of new rows: codes, numbers as they are, dense blocks, texts.

        Numbers need no scale and no imputation.
        """
        stacked = [
            np.mean([model.predict(rows, matrices) for model in models], axis=0)
            for models in self.stacked
        ]
        return np.hstack([self._plain(rows, matrices), *stacked])

    def _plain(self, rows: Rows, matrices: Matrices) -> Floats:
        codes = [self.levels.codes(rows)] if self.levels else []
        dense = [matrices[name] for name in self.dense]
        topics = [] if self.topics is None else [self.topics.transform(matrices["terms"])]
        numbers = np.clip(rows.numbers[:, self.numbers], -FARTHEST, FARTHEST)
        return np.hstack([*codes, numbers, *dense, *topics])


def fit_short(lesson: Lesson) -> tuple[ShortForm, Floats]:
    """Fit it on all the blocks of a lesson, and give the columns (n, d) of its rows."""
    part = lesson.blocks["categories"].part if "categories" in lesson.blocks else None
    levels = part if isinstance(part, Categories) else None
    numbered = "numbers" in lesson.blocks
    numbers = np.flatnonzero(~np.isnan(lesson.rows.numbers).all(axis=0) & numbered)
    dense = tuple(name for name in DENSE_BLOCKS if name in lesson.matrices)
    terms = lesson.matrices.get("terms")
    topics = None if terms is None else fit_svd(terms, TOPICS, lesson.seed)
    found = [_stack(lesson.of([name])) for name in TEXT_BLOCKS if name in lesson.matrices]
    kept = [pair for pair in found if pair is not None]
    form = ShortForm(levels, numbers, dense, topics, tuple(models for models, _ in kept))
    plain = form._plain(lesson.rows, lesson.matrices)
    return form, np.hstack([plain, *(foretold for _, foretold in kept)])


def _stack(lesson: Lesson) -> tuple[tuple[Member, ...], Floats] | None:
    """Linear models of one block, and what they foretell of the rows that each has not seen."""
    target = lesson.target
    fold = folds_of(target, lesson.rows.clean, INNER_FOLDS, lesson.seed)
    # Without two classes in every part there is nothing to stack.
    parts = [np.unique(target.values[fold != part]) for part in range(INNER_FOLDS)]
    if min(len(seen) for seen in parts) < 2:
        return None
    foretold = np.zeros((len(target), target.outputs))
    models: list[Member] = []
    for part in range(INNER_FOLDS):
        held = lesson.take(np.flatnonzero(fold == part))
        model = fit_logistic(lesson.take(np.flatnonzero(fold != part)), INNER_STEPS)
        if model is not None:
            foretold[fold == part] = model.predict(held.rows, held.matrices)
            models.append(model)
    return (tuple(models), foretold) if models else None
