"""The fitted result: the chosen model, its predictions for every row, and the ablation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.classify.decision import Threshold, choose_threshold
from fusemine.tasks.mine.classify.model import ChosenModel, Classifier, Model
from fusemine.tasks.mine.classify.selection.calibrate import (
    calibrate_out_of_fold,
    choose_kind,
    fit_calibrator,
)
from fusemine.tasks.mine.classify.selection.candidates import all_specs, baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.problem import Problem
    from fusemine.tasks.mine.classify.selection.candidates import Candidate
    from fusemine.tasks.mine.classify.selection.choose import Choice
    from fusemine.tasks.mine.classify.selection.trainer import FittedModels, Trainer
    from fusemine.tasks.mine.classify.settings import ClassifySettings
    from fusemine.tasks.stats.target import Floats

CURVE = (0.1, 0.25, 0.5)
"""Shares of the training rows that the learning curve is drawn at, besides all of them."""
MAJORITY, CHOSEN = "majority", "chosen"


@dataclass(frozen=True)
class FittedResult:
    """A label that was learnt."""

    problem: Problem
    settings: ClassifySettings
    choice: Choice
    fold: NDArray[np.int64]
    """Fold of each training row (n,)."""
    model: Model
    """The chosen model; `fitted` in it also holds the models of the ablation."""
    calibration: str
    """How probabilities were calibrated."""
    predictions: Floats
    """Of all rows (n, outputs); of training rows out of fold."""
    tested: dict[str, Floats]
    """The predictions of the test rows: the majority's share, then those of each view of the
    ablation, and of the chosen model, which alone is calibrated and has a threshold."""
    threshold: Threshold | None

    @property
    def cross_validated(self) -> bool:
        """Whether training rows could be predicted by models that had not seen them."""
        return len(np.unique(self.fold)) > 1

    @property
    def classifier(self) -> Classifier:
        """The chosen model with the classes and the decision."""
        problem = self.problem
        number, abstain = problem.target.is_number, self.settings.abstain
        return Classifier(self.model, problem.names, problem.positive, abstain, number)


def ablations(problem: Problem, settings: ClassifySettings) -> dict[str, Candidate]:
    """For each view the same learner, so that views can be compared."""
    return {view: baseline(problem, settings, blocks) for view, blocks in problem.views.items()}


def count_final_fits(problem: Problem, settings: ClassifySettings) -> int:
    """Roughly how many models `fit_final` and the checks fit."""
    views = ablations(problem, settings).values()
    return sum(len(view.specs) for view in views) + _curve_fits(problem, settings)


def _curve_fits(problem: Problem, settings: ClassifySettings) -> int:
    """How many models the learning curve fits."""
    return len(CURVE) * len(baseline(problem, settings).specs) * settings.checks


def fit_final(trainer: Trainer, choice: Choice, fold: NDArray[np.int64]) -> FittedResult:
    """Fit the chosen model and those of the ablation on all training rows, and predict.

    Args:
        trainer: Fits the models.
        choice: The chosen model, and its out-of-fold predictions.
        fold: Fold of each training row (n,).
    """
    problem, settings, train = trainer.problem, trainer.settings, trainer.problem.train
    views = ablations(problem, settings)
    # Models that are in several of these are fitted once.
    specs = all_specs([choice.candidate, *views.values()])
    trainer.total = trainer.done + len(specs) + _curve_fits(problem, settings)
    fitted = trainer.fit(problem.split.train, specs)
    crossed = len(np.unique(fold)) > 1
    kind = choose_kind(settings.calibration if crossed else "none", train)
    # New rows get the calibrator of all rows, training rows one that has not seen them.
    calibrator, out_of_fold = None, choice.out_of_fold
    if not train.is_number:
        calibrator = fit_calibrator(choice.out_of_fold, train, kind)
        out_of_fold = calibrate_out_of_fold(choice.out_of_fold, train, fold, kind)
    threshold = _threshold(problem, settings, out_of_fold) if crossed else None
    cut = None if threshold is None else threshold.value
    chosen = ChosenModel(choice.candidate.specs, choice.combiner, calibrator, cut)
    model = Model(fitted, chosen)
    predictions = _predictions(problem, model, out_of_fold)
    tested = _tested(problem, fitted, views) | {CHOSEN: predictions[problem.split.test]}
    return FittedResult(
        problem, settings, choice, fold, model, kind, predictions, tested, threshold
    )


def _predictions(problem: Problem, model: Model, out_of_fold: Floats) -> Floats:
    """Of all rows (n, outputs): of training rows out of fold, of all others by the model."""
    split = problem.split
    others = np.concatenate([split.test, split.unlabelled, split.unused])
    predictions = np.zeros((len(problem.rows), problem.target.outputs))
    predictions[split.train] = out_of_fold
    predictions[others] = model.predict(problem.rows.take(others))
    return predictions


def _tested(
    problem: Problem, fitted: FittedModels, views: dict[str, Candidate]
) -> dict[str, Floats]:
    """The predictions of the test rows: the majority's share, and by each view."""
    rows, specs = problem.test_rows, all_specs(list(views.values()))
    found = dict(zip(specs, fitted.predict(rows, specs), strict=True))
    result = {MAJORITY: np.tile(problem.train.prior(), (len(rows), 1))}
    for name, view in views.items():
        result[name] = np.mean([found[spec] for spec in view.specs], axis=0)
    return result


def _threshold(
    problem: Problem, settings: ClassifySettings, out_of_fold: Floats
) -> Threshold | None:
    """From which probability on a row is called positive, by the training rows out of fold."""
    if settings.decision is None or problem.positive is None:
        return None
    truth = problem.train.values == problem.positive
    return choose_threshold(settings.decision, out_of_fold[:, problem.positive], truth)
