"""Whether the result can be trusted: the learning curve, shuffled labels, leaks, fallbacks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.classify.evaluation.evaluate import leading, measured
from fusemine.tasks.mine.classify.fitted import CURVE, Learnt
from fusemine.tasks.mine.classify.leakage.leakage import RULE, leaks
from fusemine.tasks.mine.classify.leakage.permuted import permuted
from fusemine.tasks.mine.classify.leakage.stated_labels import stated
from fusemine.tasks.mine.classify.selection.candidates import (
    SPOKEN,
    USUAL,
    Spec,
    baseline,
    usual_learners,
)
from fusemine.tasks.stats.folds import deal, strata
from fusemine.tasks.table.roles import CATEGORY, NUMBER
from fusemine.tasks.text.sentences import percent

if TYPE_CHECKING:
    from fusemine.tasks.mine.classify.learners.training_set import Floats
    from fusemine.tasks.mine.classify.selection.trainer import Teacher
    from fusemine.tasks.stats.target import Target

PERMUTED_ROWS, PERMUTED_FOLDS = 5000, 3
"""Shuffled labels are learnt from at most so many rows, in so many parts."""


def learning_curve(learnt: Learnt, teacher: Teacher) -> list[dict[str, Any]]:
    """How good the ablation's model of all blocks is on the test rows, by training rows.

    Smaller parts are in the larger ones, so that only their size differs.
    """
    problem = learnt.problem
    specs = baseline(problem, learnt.settings).specs
    order = np.random.default_rng(learnt.settings.seed).permutation(len(problem.split.train))
    test = problem.rows.take(problem.split.test)
    points = []
    for share in CURVE:
        count = max(1, round(share * len(order)))
        taught = teacher.teach(problem.split.train[np.sort(order[:count])], specs)
        points.append((count, taught.mean(test, specs)))
    points.append((len(order), learnt.taught.mean(test, specs)))
    found = measured(learnt, {str(rows): foretold for rows, foretold in points})
    metric = leading(problem)
    return [{"rows": rows, **_figures(found[str(rows)], metric)} for rows, _ in points]


def _figures(described: dict[str, Any], metric: str) -> dict[str, Any]:
    return {name: described[name] for name in (metric, f"{metric}_interval")}


def shuffled(teacher: Teacher) -> dict[str, Any] | None:
    """What a linear model makes of shuffled labels, out of fold: it must be nothing."""
    problem = teacher.problem
    order = np.random.default_rng(teacher.settings.seed).permutation(len(problem.split.train))
    rows = np.sort(problem.split.train[order[:PERMUTED_ROWS]])
    spec = (Spec("logistic", problem.blocks),)

    def fit_predict(target: Target) -> Floats:
        values = problem.target.values.copy()
        values[rows] = target.values
        other = replace(problem, target=replace(problem.target, values=values))
        quiet = replace(teacher, problem=other, progress=None)
        fold = deal(strata(target), PERMUTED_FOLDS, teacher.settings.seed)
        found = np.zeros((len(rows), target.outputs))
        for part in range(PERMUTED_FOLDS):
            taught = quiet.teach(rows[fold != part], spec)
            held = problem.rows.take(rows[fold == part])
            found[fold == part] = taught.predict(held, spec)[0]
        return found

    result = permuted(fit_predict, problem.target.take(rows), teacher.settings.seed)
    return None if result is None else {**vars(result), "ok": result.ok}


def suspicions(learnt: Learnt) -> dict[str, Any]:
    """Columns that give the label away and texts that state it, among the training rows."""
    problem = learnt.problem
    clean = problem.rows.clean[problem.split.train]
    seed = learnt.settings.seed
    return {
        "rule": RULE,
        "columns": leaks(clean, problem.train, problem.names, seed),
        "texts": stated(clean, problem.train, problem.names),
    }


def notes(learnt: Learnt) -> list[str]:
    """Fallbacks and what readers should know, each a sentence."""
    found = [_copies, _apart, _curtailed, _ignored, _rare, _unseen, _constant]
    return [note for look in found for note in look(learnt)]


def _copies(learnt: Learnt) -> list[str]:
    """Test rows that are like a training row in everything but their id."""
    split, clean = learnt.problem.split, learnt.problem.rows.clean
    own = clean.select(pl.col("duplicate_of").fill_null(pl.col("row_id"))).to_series()
    rows = int(own.gather(split.test).is_in(own.gather(split.train).implode()).sum())
    if not rows:
        return []
    share = percent(rows / len(split.test))
    said = "1 test row is a copy" if rows == 1 else f"{rows:,} test rows ({share}) are copies"
    return [f"{said} of training rows, which flatters the figures."]


def _apart(learnt: Learnt) -> list[str]:
    if learnt.crossed:
        return []
    return [
        "All training rows belong together, as one group or copies of one row. So none could be "
        "predicted by a model that had not seen it: probabilities are not calibrated, labels not "
        "audited, and the choice of a model is arbitrary."
    ]


def _curtailed(learnt: Learnt) -> list[str]:
    """Where the budget is too small for what is averaged otherwise."""
    left = set(USUAL) - set(usual_learners(learnt.problem, learnt.settings))
    if learnt.settings.learner is not None or not left:
        return []
    names = " and ".join(SPOKEN[name] for name in sorted(left))
    return [f"Of a table of this size {names} would take more than classify.budget: left out."]


def _ignored(learnt: Learnt) -> list[str]:
    """Settings that a label of this kind has no use for, or that name what is not there."""
    settings, problem = learnt.settings, learnt.problem
    given = {
        "decision": settings.decision is not None and problem.positive is None,
        "abstain": settings.abstain is not None and problem.target.is_number,
        "class_weights": settings.class_weights != "none" and problem.target.is_number,
    }
    unused = [f"classify.{name}" for name, told in given.items() if told]
    kind = "a number" if problem.target.is_number else f"of {len(problem.names)} classes"
    notes = [f"{name} has no effect: the label is {kind}." for name in unused]
    if isinstance(settings.class_weights, dict) and not problem.target.is_number:
        strangers = sorted(set(settings.class_weights) - set(problem.names))
        notes += [f"classify.class_weights names no class '{quote(name)}'." for name in strangers]
    return notes


def _rare(learnt: Learnt) -> list[str]:
    """Classes of fewer training rows than folds."""
    problem, folds = learnt.problem, learnt.settings.folds
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


def _unseen(learnt: Learnt) -> list[str]:
    """Levels that only the test rows have; they count as rare ones."""
    split, clean = learnt.problem.split, learnt.problem.rows.clean
    found = []
    for name in learnt.problem.rows.columns(CATEGORY):
        known = clean[name][split.train].unique().drop_nulls()
        tested = clean[name][split.test].drop_nulls()
        rows = len(tested) - int(tested.is_in(known.implode()).sum())
        if rows:
            share = percent(rows / len(split.test))
            found.append(
                f"{quote(name.removeprefix(CATEGORY))} ({rows:,} row{'s' * (rows > 1)}, {share})"
            )
    if not found:
        return []
    return [
        f"Test rows with levels that no training row has: {', '.join(found)}. "
        "They are treated as rare levels."
    ]


def _constant(learnt: Learnt) -> list[str]:
    """Columns with one value in all training rows teach nothing."""
    rows = learnt.problem.rows
    names = [name for prefix in (CATEGORY, NUMBER) for name in rows.columns(prefix)]
    train = rows.clean[learnt.problem.split.train].select(pl.col(names).n_unique())
    same = [name.partition(".")[2] for name in names if train[name][0] <= 1]
    if not same:
        return []
    verb = "has" if len(same) == 1 else "have"
    return [
        f"{', '.join(map(quote, same))} {verb} one value in all training rows and teach nothing."
    ]
