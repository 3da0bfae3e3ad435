"""Fitting models on training rows, out of fold and on all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.blocks import fit_blocks
from fusemine.tasks.mine.classify.learners.training_set import (
    Floats,
    Lesson,
    Matrices,
    Member,
    Prior,
)
from fusemine.tasks.mine.classify.selection.candidates import LEARNERS, Spec
from fusemine.tasks.stats.target import Unit, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.fuse.blocks import Block
    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.fuse.transformers import BlockName, Rows
    from fusemine.tasks.mine.classify.problem import Problem
    from fusemine.tasks.mine.classify.settings import ClassifySettings

Progress: TypeAlias = Callable[[int, int], None]


@storable
@dataclass(frozen=True)
class Taught:
    """Blocks fitted on some rows, and the models that learnt from them."""

    blocks: Mapping[BlockName, Block]
    members: Mapping[Spec, Member]
    unit: Unit = field(default_factory=Unit)
    """In which models read numbers."""

    def predict(self, rows: Rows, specs: Iterable[Spec]) -> list[Floats]:
        """What each of some models foretells of rows (n, outputs)."""
        asked = list(specs)
        needed = {name for spec in asked for name in spec.blocks}
        matrices: Matrices = {
            name: block.transform(rows) for name, block in self.blocks.items() if name in needed
        }
        found = (self.members[spec].predict(rows, matrices) for spec in asked)
        return [self.unit.back(one) for one in found]

    def mean(self, rows: Rows, specs: Sequence[Spec]) -> Floats:
        """The plain mean of what some models foretell (n, outputs)."""
        return np.asarray(np.mean(self.predict(rows, specs), axis=0))


@dataclass
class Teacher:
    """Fits models for one problem, and tells how many fits are done.

    Args:
        problem: What is learnt.
        settings: How.
        fusing: How rows become blocks.
        progress: Told of the fits done, and of how many.
        total: Fits in all.
    """

    problem: Problem
    settings: ClassifySettings
    fusing: FuseSettings
    progress: Progress | None = None
    total: int = 0
    done: int = field(default=0, init=False)

    def teach(self, index: NDArray[np.intp], specs: Sequence[Spec]) -> Taught:
        """Fit models on the rows at these positions; a block is fitted once for all of them."""
        lesson = self._lesson(index, specs)
        members: dict[Spec, Member] = {}
        for spec in specs:
            members[spec] = _learnt(lesson.of(spec.blocks), spec)
            self._tell()
        return Taught(lesson.blocks, members, unit_of(self.problem.target.take(index)))

    def out_of_fold(self, fold: NDArray[np.int64], specs: Sequence[Spec]) -> list[Floats]:
        """What each model foretells of the training rows (n, outputs), none of which it has seen.

        Args:
            fold: Fold of each training row (n,).
            specs: The models.
        """
        train = self.problem.split.train
        shape = (len(train), self.problem.target.outputs)
        found = [np.zeros(shape) for _ in specs]
        for part in np.unique(fold):
            held = fold == part
            taught = self.teach(train[~held], specs)
            rows = self.problem.rows.take(train[held])
            for one, foretold in zip(found, taught.predict(rows, specs), strict=True):
                one[held] = foretold
        return found

    def _lesson(self, index: NDArray[np.intp], specs: Sequence[Spec]) -> Lesson:
        rows, given = self.problem.rows.take(index), self.problem.target.take(index)
        target = unit_of(given).scaled(given)
        used = dict.fromkeys(name for spec in specs for name in spec.blocks)
        weights: dict[BlockName, float] = {
            name: getattr(self.settings.weights, name) for name in used
        }
        fitted = fit_blocks(rows, weights, self.fusing, target) if len(index) else []
        return Lesson(
            rows=rows,
            blocks={block.name: block for block, _ in fitted},
            matrices={block.name: matrix for block, matrix in fitted},
            target=target,
            counts=self.problem.counts(index),
            seed=self.settings.seed,
            device=self.settings.device,
        )

    def _tell(self) -> None:
        self.done += 1
        if self.progress:
            self.progress(self.done, max(self.total, self.done))


def _learnt(lesson: Lesson, spec: Spec) -> Member:
    """The fitted model, or the prior where there is nothing to learn from or nothing to tell."""
    one_class = not lesson.target.is_number and len(np.unique(lesson.target.values)) < 2
    if one_class or len(lesson.target) < 2:
        return Prior(lesson.target.prior())
    return LEARNERS[spec.learner](lesson) or Prior(lesson.target.prior())
