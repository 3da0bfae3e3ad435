"""What was learnt: the chosen model, what it foretells of every row, and the ablation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.classify.classifier import Chosen, Classifier
from fusemine.tasks.mine.classify.decide import Threshold, threshold
from fusemine.tasks.mine.classify.model import Model
from fusemine.tasks.mine.classify.selection.calibrate import (
    calibrated_out_of_fold,
    choose_kind,
    fit_calibrator,
)
from fusemine.tasks.mine.classify.selection.candidates import baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.learners.training_set import Floats
    from fusemine.tasks.mine.classify.problem import Problem
    from fusemine.tasks.mine.classify.selection.candidates import Candidate, Spec
    from fusemine.tasks.mine.classify.selection.choose import Choice
    from fusemine.tasks.mine.classify.selection.trainer import Taught, Teacher
    from fusemine.tasks.mine.classify.settings import ClassifySettings

CURVE = (0.1, 0.25, 0.5)
"""Shares of the training rows that the learning curve is drawn at, besides all of them."""
MAJORITY, CHOSEN = "majority", "chosen"


@dataclass(frozen=True)
class Learnt:
    """A learnt label."""

    problem: Problem
    settings: ClassifySettings
    choice: Choice
    fold: NDArray[np.int64]
    """Fold of each training row."""
    taught: Taught
    """All models of all training rows: those of the choice and of the ablation."""
    model: Model
    calibration: str
    """How probabilities were calibrated."""
    foretold: Floats
    """Of all rows (n, outputs); of training rows out of fold."""
    tested: dict[str, Floats]
    """What is foretold of the test rows: the majority's share, then by each view of the ablation,
    and by the chosen model, which alone is calibrated and decided by the threshold."""
    threshold: Threshold | None

    @property
    def crossed(self) -> bool:
        """Whether training rows could be predicted by models that had not seen them."""
        return len(np.unique(self.fold)) > 1

    @property
    def cut(self) -> float | None:
        """From which probability on a row is called positive; None for the likelier class."""
        return None if self.threshold is None else self.threshold.value

    @property
    def chosen(self) -> Chosen:
        """What was chosen, without what was fitted on all training rows."""
        model = self.model
        return Chosen(model.specs, model.combiner, model.calibrator, self.cut)

    @property
    def classifier(self) -> Classifier:
        """The chosen model as what predicts rows."""
        problem, abstain = self.problem, self.settings.abstain
        number = problem.target.is_number
        return Classifier(self.model, problem.names, problem.positive, self.cut, abstain, number)


def ablations(problem: Problem, settings: ClassifySettings) -> dict[str, Candidate]:
    """For each view the same learner, so that views can be compared."""
    return {view: baseline(problem, settings, blocks) for view, blocks in problem.views.items()}


def fits_to_conclude(problem: Problem, settings: ClassifySettings) -> int:
    """Roughly how many models `conclude` and the checks fit."""
    views = ablations(problem, settings).values()
    return sum(len(view.specs) for view in views) + curve_fits(problem, settings)


def curve_fits(problem: Problem, settings: ClassifySettings) -> int:
    """How many models the learning curve fits."""
    return len(CURVE) * len(baseline(problem, settings).specs) * settings.checks


def conclude(teacher: Teacher, choice: Choice, fold: NDArray[np.int64]) -> Learnt:
    """Fit the chosen model and those of the ablation on all training rows, and predict."""
    problem, settings = teacher.problem, teacher.settings
    views = ablations(problem, settings)
    specs: dict[Spec, None] = dict.fromkeys(choice.candidate.specs)
    specs |= dict.fromkeys(spec for view in views.values() for spec in view.specs)
    teacher.total = teacher.done + len(specs) + curve_fits(problem, settings)
    taught = teacher.teach(problem.split.train, tuple(specs))
    crossed = len(np.unique(fold)) > 1
    kind = choose_kind(settings.calibration if crossed else "none", problem.train)
    own = problem.train
    calibrator = None if own.is_number else fit_calibrator(choice.foretold, own, kind)
    model = Model(taught, choice.candidate.specs, choice.combiner, calibrator)
    foretold = np.zeros((len(problem.rows), own.outputs))
    foretold[problem.split.train] = (
        choice.foretold
        if own.is_number
        else calibrated_out_of_fold(choice.foretold, own, fold, kind)
    )
    others = _others(problem)
    foretold[others] = model.predict(problem.rows.take(others))
    return Learnt(
        problem=problem,
        settings=settings,
        choice=choice,
        fold=fold,
        taught=taught,
        model=model,
        calibration="none" if own.is_number else kind,
        foretold=foretold,
        tested=_tested(problem, taught, views, foretold),
        threshold=_threshold(problem, settings, foretold) if crossed else None,
    )


def _others(problem: Problem) -> NDArray[np.intp]:
    split = problem.split
    return np.concatenate([split.test, split.unlabelled, split.unused])


def _tested(
    problem: Problem,
    taught: Taught,
    views: dict[str, Candidate],
    foretold: Floats,
) -> dict[str, Floats]:
    """The predictions of the test rows, by each view and by the chosen model."""
    rows = problem.rows.take(problem.split.test)
    specs = tuple(dict.fromkeys(spec for view in views.values() for spec in view.specs))
    found = dict(zip(specs, taught.predict(rows, specs), strict=True))
    result = {MAJORITY: np.tile(problem.train.prior(), (len(rows), 1))}
    for name, view in views.items():
        result[name] = np.mean([found[spec] for spec in view.specs], axis=0)
    result[CHOSEN] = foretold[problem.split.test]
    return result


def _threshold(problem: Problem, settings: ClassifySettings, foretold: Floats) -> Threshold | None:
    """When a row is called positive, by what is known out of fold of the training rows."""
    if settings.decision is None or problem.positive is None:
        return None
    train = problem.split.train
    probability = foretold[train, problem.positive]
    return threshold(settings.decision, probability, problem.codes[train] == problem.positive)
