"""Fitting models on training rows, out of fold and on all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.blocks import fit_blocks
from fusemine.tasks.mine.classify.learners.training_set import FittedLearner, Prior, TrainingSet
from fusemine.tasks.mine.classify.selection.candidates import LEARNERS, Spec
from fusemine.tasks.stats.target import TargetScaler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.fuse.blocks import Block
    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.fuse.transformers import BlockName, Rows
    from fusemine.tasks.mine.classify.problem import Problem
    from fusemine.tasks.mine.classify.settings import ClassifySettings
    from fusemine.tasks.stats.target import Floats

Progress: TypeAlias = Callable[[int, int], None]


@storable
@dataclass(frozen=True)
class FittedModels:
    """Blocks fitted on some rows, and the models that learnt from them."""

    blocks: Mapping[BlockName, Block]
    models: Mapping[Spec, FittedLearner]
    scaler: TargetScaler = field(default_factory=TargetScaler)
    """How the models read numbers."""

    def predict(self, rows: Rows, specs: Sequence[Spec]) -> list[Floats]:
        """The predictions (n, outputs) of each of some models for n rows."""
        # Blocks that no model reads are not computed.
        needed = {name for spec in specs for name in spec.blocks}
        matrices = {n: block.transform(rows) for n, block in self.blocks.items() if n in needed}
        found = (self.models[spec].predict(rows, matrices) for spec in specs)
        return [self.scaler.inverse_transform(one) for one in found]

    def mean(self, rows: Rows, specs: Sequence[Spec]) -> Floats:
        """The plain mean of the predictions of some models (n, outputs)."""
        return np.asarray(np.mean(self.predict(rows, specs), axis=0))


@dataclass
class Trainer:
    """Fits models for one problem, and reports how many fits are done.

    Args:
        problem: The label to learn.
        settings: How it is learnt.
        fusing: How rows become blocks.
        progress: Called with the fits done, and with how many there are.
        total: Fits in all.
    """

    problem: Problem
    settings: ClassifySettings
    fusing: FuseSettings
    progress: Progress | None = None
    total: int = 0
    done: int = field(default=0, init=False)

    def fit(self, index: NDArray[np.intp], specs: Sequence[Spec]) -> FittedModels:
        """Fit models on the rows at these positions; a block is fitted once for all of them."""
        # Numbers are learnt in standard deviations, or regularisation would depend on their unit.
        scaler = TargetScaler.fit(self.problem.target.take(index))
        training = self._training_set(index, specs, scaler)
        models: dict[Spec, FittedLearner] = {}
        for spec in specs:
            models[spec] = _fit(training.select(spec.blocks), spec.learner)
            self.done += 1
            if self.progress:
                self.progress(self.done, max(self.total, self.done))
        return FittedModels(training.blocks, models, scaler)

    def out_of_fold(self, fold: NDArray[np.int64], specs: Sequence[Spec]) -> list[Floats]:
        """The predictions of each model for the training rows, none of which it has seen.

        Args:
            fold: Fold of each training row (n,).
            specs: The models.

        Returns:
            For each model (n, outputs).
        """
        train = self.problem.split.train
        shape = (len(train), self.problem.target.outputs)
        # Blocks are fitted within each fold as well, so that nothing of the held-out rows leaks.
        found = [np.zeros(shape) for _ in specs]
        for part in np.unique(fold):
            held = fold == part
            fitted = self.fit(train[~held], specs)
            rows = self.problem.rows.take(train[held])
            for one, predicted in zip(found, fitted.predict(rows, specs), strict=True):
                one[held] = predicted
        return found

    def _training_set(
        self, index: NDArray[np.intp], specs: Sequence[Spec], scaler: TargetScaler
    ) -> TrainingSet:
        rows, target = self.problem.rows.take(index), self.problem.target.take(index)
        target = scaler.transform(target)
        used = dict.fromkeys(name for spec in specs for name in spec.blocks)
        weights = {name: getattr(self.settings.weights, name) for name in used}
        fitted = fit_blocks(rows, weights, self.fusing, target) if len(index) else []
        return TrainingSet(
            rows=rows,
            blocks={block.name: block for block, _ in fitted},
            matrices={block.name: matrix for block, matrix in fitted},
            target=target,
            sample_weights=self.problem.sample_weights(index),
            seed=self.settings.seed,
            device=self.settings.device,
        )


def _fit(training: TrainingSet, learner: str) -> FittedLearner:
    """The fitted model, or the prior where there is nothing to learn or to learn from."""
    target = training.target
    one_class = not target.is_number and len(np.unique(target.values)) < 2
    fitted = None if one_class or len(target) < 2 else LEARNERS[learner].fit(training)
    return fitted or Prior(target.prior())
