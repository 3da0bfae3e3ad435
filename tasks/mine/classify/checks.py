"""Whether the result can be trusted: the learning curve, shuffled labels, leaks, and notes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.classify.evaluation.class_metrics import with_intervals
from fusemine.tasks.mine.classify.evaluation.evaluate import leading_metric, measure_test_rows
from fusemine.tasks.mine.classify.fitted import CURVE, FittedResult
from fusemine.tasks.mine.classify.leakage.leaking_columns import RULE, find_leaks
from fusemine.tasks.mine.classify.leakage.shuffled_labels import score_shuffled
from fusemine.tasks.mine.classify.leakage.stated_labels import find_stated_labels
from fusemine.tasks.mine.classify.selection.candidates import (
    DEFAULT_LEARNERS,
    LEARNERS,
    Spec,
    baseline,
    default_learners,
)
from fusemine.tasks.stats.intervals import percent
from fusemine.tasks.stats.sampling import strata, stratified_folds
from fusemine.tasks.table.roles import CATEGORY, NUMBER

if TYPE_CHECKING:
    from fusemine.tasks.mine.classify.selection.trainer import Trainer
    from fusemine.tasks.stats.target import Floats, Target

SHUFFLED_ROWS, SHUFFLED_FOLDS = 5000, 3
"""Shuffled labels are learnt from at most so many rows, in so many folds."""


def learning_curve(result: FittedResult, trainer: Trainer) -> list[dict[str, Any]]:
    """How good the ablation's model of all blocks is on the test rows, by training rows.

    Smaller training sets are parts of the larger ones, so that only their size differs.
    """
    problem, train = result.problem, result.problem.split.train
    specs, test = baseline(problem, result.settings).specs, problem.test_rows
    order = np.random.default_rng(result.settings.seed).permutation(len(train))
    counts = [max(1, round(share * len(order))) for share in CURVE]
    predicted = {}
    for count in counts:
        fitted = trainer.fit(train[np.sort(order[:count])], specs)
        predicted[str(count)] = fitted.mean(test, specs)
    predicted[str(len(order))] = result.model.fitted.mean(test, specs)
    measured = measure_test_rows(result, predicted)
    metric, points = leading_metric(problem), []
    for rows in [*counts, len(order)]:
        figures = with_intervals(measured[str(rows)])
        shown = {name: figures[name] for name in (metric, f"{metric}_interval")}
        points.append({"rows": rows, **shown})
    return points


def shuffled_labels(trainer: Trainer) -> dict[str, Any] | None:
    """The score of a linear model on shuffled labels, out of fold: it must be that of chance."""
    problem, seed = trainer.problem, trainer.settings.seed
    order = np.random.default_rng(seed).permutation(len(problem.split.train))
    rows = np.sort(problem.split.train[order[:SHUFFLED_ROWS]])
    specs = (Spec("logistic", problem.blocks),)

    def fit_predict(target: Target) -> Floats:
        values = problem.target.values.copy()
        values[rows] = target.values
        split = replace(problem.split, train=rows)
        other = replace(problem, target=replace(problem.target, values=values), split=split)
        silent = replace(trainer, problem=other, progress=None)
        (found,) = silent.out_of_fold(stratified_folds(strata(target), SHUFFLED_FOLDS, seed), specs)
        return found

    scored = score_shuffled(fit_predict, problem.target.take(rows), seed)
    return None if scored is None else {**vars(scored), "ok": scored.ok}


def leaks(result: FittedResult) -> dict[str, Any]:
    """Columns that give the label away and texts that state it, among the training rows."""
    problem, target = result.problem, result.problem.train
    clean = problem.rows.clean[problem.split.train]
    return {
        "rule": RULE,
        "columns": find_leaks(clean, target, problem.names, result.settings.seed),
        "texts": find_stated_labels(clean, target, problem.names),
    }


def notes(result: FittedResult) -> list[str]:
    """Fallbacks and what readers should know, each a sentence."""
    kinds = [_copies, _one_fold, _over_budget, _ignored, _rare, _unseen, _constant]
    return [note for find in kinds for note in find(result)]


def _copies(result: FittedResult) -> list[str]:
    """Test rows that are like a training row in everything but their id."""
    split, clean = result.problem.split, result.problem.rows.clean
    own = clean.select(pl.col("duplicate_of").fill_null(pl.col("row_id"))).to_series()
    rows = int(own.gather(split.test).is_in(own.gather(split.train).implode()).sum())
    if not rows:
        return []
    share = percent(rows / len(split.test))
    copies = "1 test row is a copy" if rows == 1 else f"{rows:,} test rows ({share}) are copies"
    return [f"{copies} of training rows, which flatters the figures."]


def _one_fold(result: FittedResult) -> list[str]:
    """Training rows that are all in one fold."""
    if result.cross_validated:
        return []
    return [
        "All training rows belong together, as one group or copies of one row. So none could be "
        "predicted by a model that had not seen it: probabilities are not calibrated, labels not "
        "audited, and the choice of a model is arbitrary."
    ]


def _over_budget(result: FittedResult) -> list[str]:
    """Default learners that the budget is too small for."""
    left_out = set(DEFAULT_LEARNERS) - set(default_learners(result.problem, result.settings))
    if result.settings.learner is not None or not left_out:
        return []
    names = " and ".join(LEARNERS[name].name for name in sorted(left_out))
    return [f"Of a table of this size {names} would take more than classify.budget: left out."]


def _ignored(result: FittedResult) -> list[str]:
    """Settings that a label of this kind has no use for, or that name what is not there."""
    settings, problem = result.settings, result.problem
    number, weights = problem.target.is_number, settings.class_weights
    unused = {
        "decision": settings.decision is not None and problem.positive is None,
        "abstain": settings.abstain is not None and number,
        "class_weights": weights != "none" and number,
    }
    kind = "a number" if number else f"of {len(problem.names)} classes"
    notes = [
        f"classify.{name} has no effect: the label is {kind}."
        for name, is_unused in unused.items()
        if is_unused
    ]
    if isinstance(weights, dict) and not number:
        unknown = sorted(set(weights) - set(problem.names))
        notes += [f"classify.class_weights names no class '{quote(name)}'." for name in unknown]
    return notes


def _rare(result: FittedResult) -> list[str]:
    """Classes of fewer training rows than folds."""
    problem, folds = result.problem, result.settings.folds
    if problem.target.is_number:
        return []
    seen = np.bincount(problem.train.values, minlength=len(problem.names))
    few = [quote(name) for name, n in zip(problem.names, seen, strict=True) if n < folds]
    if not few:
        return []
    more = f" and {len(few) - 5} more" if len(few) > 5 else ""
    return [
        f"Of {', '.join(few[:5])}{more} there are fewer training rows than the {folds} folds: "
        "probabilities of such a class rest on next to nothing."
    ]


def _unseen(result: FittedResult) -> list[str]:
    """Levels that only the test rows have; they count as rare ones."""
    split, clean = result.problem.split, result.problem.rows.clean
    found = []
    for name in result.problem.rows.columns(CATEGORY):
        known = clean[name][split.train].unique().drop_nulls()
        tested = clean[name][split.test].drop_nulls()
        rows = len(tested) - int(tested.is_in(known.implode()).sum())
        if rows:
            share = percent(rows / len(split.test))
            counted = f"{rows:,} row{'s' * (rows > 1)}, {share}"
            found.append(f"{quote(name.removeprefix(CATEGORY))} ({counted})")
    if not found:
        return []
    return [
        f"Test rows with levels that no training row has: {', '.join(found)}. "
        "They are treated as rare levels."
    ]


def _constant(result: FittedResult) -> list[str]:
    """Columns with one value in all training rows."""
    rows = result.problem.rows
    names = [name for prefix in (CATEGORY, NUMBER) for name in rows.columns(prefix)]
    train = rows.clean[result.problem.split.train].select(pl.col(names).n_unique())
    same = [name.partition(".")[2] for name in names if train[name][0] <= 1]
    if not same:
        return []
    verb = "has" if len(same) == 1 else "have"
    return [
        f"{', '.join(map(quote, same))} {verb} one value in all training rows and teach nothing."
    ]
