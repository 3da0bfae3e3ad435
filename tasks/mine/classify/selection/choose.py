"""Choosing how text and table are joined, by cross-validation on the training rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.classify.evaluation.class_metrics import json_number
from fusemine.tasks.mine.classify.selection.candidates import (
    Candidate,
    candidates,
    mixture,
    usual_learners,
    within,
)
from fusemine.tasks.mine.classify.selection.combine import combined_out_of_fold, fit_mean, loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.learners.training_set import Floats
    from fusemine.tasks.mine.classify.selection.combine import Combiner
    from fusemine.tasks.mine.classify.selection.trainer import Teacher

SLIGHT = 0.05
"""A model that counts less than this in a mixture is not worth its time."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, and what it foretells of the training rows."""

    candidate: Candidate
    combiner: Combiner
    foretold: Floats
    """Out-of-fold predictions of the training rows (n, outputs), before calibration."""
    leaderboard: list[dict[str, Any]]
    """All candidates, the best first, JSON-ready."""


def choose(teacher: Teacher, fold: NDArray[np.int64], extra_fits: int) -> Choice:
    """Fit every candidate that the budget allows out of fold, and take the one of least loss.

    Args:
        teacher: Fits the models.
        fold: Fold of each training row (n,).
        extra_fits: Fits that come afterwards, for the progress.
    """
    settings, target = teacher.settings, teacher.problem.train
    parts = len(np.unique(fold))
    found = candidates(settings, teacher.problem.blocks, usual_learners(teacher.problem, settings))
    kept, left = within(found, settings.budget, len(target), target.outputs, parts + 1)
    specs = tuple(dict.fromkeys(spec for candidate in kept for spec in candidate.specs))
    teacher.total = len(specs) * parts + extra_fits
    foretold = dict(zip(specs, teacher.out_of_fold(fold, specs), strict=True))
    if len(specs) > 1 and settings.strategy == "auto":
        kept.append(_worthwhile(mixture(kept), [foretold[spec] for spec in specs], target))
    joined = [
        combined_out_of_fold(
            candidate.combine, [foretold[spec] for spec in candidate.specs], target, fold
        )
        for candidate in kept
    ]
    losses = [loss(one, target) for one in joined]
    best = int(np.argmin(losses))
    chosen = kept[best]
    # With a single fold nothing was predicted out of fold, so nothing can be learnt from it.
    combine = chosen.combine if parts > 1 else fit_mean
    combiner = combine([foretold[spec] for spec in chosen.specs], target)
    return Choice(chosen, combiner, joined[best], _board(kept, losses, left))


def _worthwhile(candidate: Candidate, found: Sequence[Floats], target: Any) -> Candidate:
    """The mixture of those models alone that count in it."""
    combiner = candidate.combine(found, target)
    pairs = zip(candidate.specs, combiner.shares(), strict=True)
    specs = tuple(spec for spec, share in pairs if share >= SLIGHT)
    return replace(candidate, specs=specs)


def _board(
    kept: list[Candidate], losses: list[float], left: list[tuple[Candidate, float]]
) -> list[dict[str, Any]]:
    order = np.argsort(losses, kind="stable")
    ranked = [
        {
            "name": kept[i].name,
            "strategy": kept[i].strategy,
            "loss": json_number(losses[i]),
            "chosen": bool(i == order[0]),
            "left_out": None,
        }
        for i in order
    ]
    return ranked + [
        {
            "name": candidate.name,
            "strategy": candidate.strategy,
            "loss": None,
            "chosen": False,
            "left_out": f"needs about {minutes:.1f} minutes, more than the budget leaves",
        }
        for candidate, minutes in left
    ]
