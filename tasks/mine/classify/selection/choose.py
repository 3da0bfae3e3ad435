"""Choosing how text and table are joined, by cross-validation on the training rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.classify.selection.candidates import (
    Candidate,
    all_specs,
    candidates,
    default_learners,
    mixture,
    within_budget,
)
from fusemine.tasks.mine.classify.selection.combine import combine_out_of_fold, fit_mean, loss
from fusemine.tasks.stats.intervals import json_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.selection.combine import Combiner
    from fusemine.tasks.mine.classify.selection.trainer import Trainer
    from fusemine.tasks.stats.target import Floats

MIN_SHARE = 0.05
"""A model that counts less than this in a mixture is not worth its time."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, and its predictions for the training rows."""

    candidate: Candidate
    combiner: Combiner
    out_of_fold: Floats
    """Predictions of the training rows (n, outputs), before calibration."""
    leaderboard: list[dict[str, Any]]
    """All candidates, the best first, JSON-ready."""


def choose(trainer: Trainer, fold: NDArray[np.int64], extra_fits: int) -> Choice:
    """Fit every candidate that the budget allows out of fold, and take the one of least loss.

    Args:
        trainer: Fits the models.
        fold: Fold of each training row (n,).
        extra_fits: Fits that come afterwards, for the progress.
    """
    problem, settings, target = trainer.problem, trainer.settings, trainer.problem.train
    folds = len(np.unique(fold))
    found = candidates(settings, problem.blocks, default_learners(problem, settings))
    size = (len(target), target.outputs)
    kept, left_out = within_budget(found, settings.budget, *size, folds + 1)
    specs = all_specs(kept)
    trainer.total = len(specs) * folds + extra_fits
    by_spec = dict(zip(specs, trainer.out_of_fold(fold, specs), strict=True))
    if len(specs) > 1 and settings.strategy == "auto":
        mixed = mixture(kept)
        # Models that hardly count in the mixture are left out of it.
        shares = mixed.combine([by_spec[spec] for spec in specs], target).shares()
        worthwhile = (s for s, share in zip(specs, shares, strict=True) if share >= MIN_SHARE)
        kept.append(replace(mixed, specs=tuple(worthwhile)))
    predicted = [[by_spec[spec] for spec in candidate.specs] for candidate in kept]
    # Combiners are fitted out of fold too, or stacking would be compared on rows that it saw.
    combined = [
        combine_out_of_fold(candidate.combine, its, target, fold)
        for candidate, its in zip(kept, predicted, strict=True)
    ]
    losses = [loss(one, target) for one in combined]
    best = int(np.argmin(losses))
    # With a single fold nothing was predicted out of fold, so nothing can be learnt from it.
    combine = kept[best].combine if folds > 1 else fit_mean
    combiner = combine(predicted[best], target)
    return Choice(kept[best], combiner, combined[best], _leaderboard(kept, losses, left_out))


def _leaderboard(
    kept: list[Candidate], losses: list[float], left_out: list[tuple[Candidate, float]]
) -> list[dict[str, Any]]:
    order = np.argsort(losses, kind="stable")
    entries: list[tuple[Candidate, float | None, bool, str | None]]
    entries = [(kept[i], json_number(losses[i]), bool(i == order[0]), None) for i in order]
    why = "needs about {:.1f} minutes, more than the budget leaves"
    entries += [(candidate, None, False, why.format(cost)) for candidate, cost in left_out]
    return [
        {
            "name": candidate.name,
            "strategy": candidate.strategy,
            "loss": loss,
            "chosen": chosen,
            "left_out": reason,
        }
        for candidate, loss, chosen, reason in entries
    ]
