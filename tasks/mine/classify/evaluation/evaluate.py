"""The metrics of predictions of the test rows, for classes and for numbers alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.classify.evaluation import class_metrics
from fusemine.tasks.mine.classify.evaluation.number_metrics import measure_numbers
from fusemine.tasks.mine.classify.fitted import CHOSEN
from fusemine.tasks.stats.folds import group_codes, groups_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.evaluation.class_metrics import Task
    from fusemine.tasks.mine.classify.fitted import Learnt
    from fusemine.tasks.mine.classify.learners.training_set import Floats
    from fusemine.tasks.mine.classify.problem import Problem


def leading(problem: Problem) -> str:
    """The metric that models are compared by."""
    return "rmse" if problem.target.is_number else "average_precision"


def task_of(learnt: Learnt) -> Task:
    """What is judged: the classes of the test rows."""
    problem = learnt.problem
    truth = problem.codes[problem.split.test]
    groups = groups_of_test(problem)
    return class_metrics.Task(truth, len(problem.names), problem.positive, learnt.cut, groups)


def groups_of_test(problem: Problem) -> NDArray[np.int64] | None:
    """The group of each test row (n,), where the table has groups."""
    clean = problem.rows.clean
    if "group" not in clean.columns:
        return None
    return group_codes(groups_of(clean[problem.split.test]))[0]


def drawn(learnt: Learnt, variants: dict[str, Floats]) -> dict[str, dict[str, Floats]]:
    """Every metric of every variant (n, outputs) of the test rows, with its resamples.

    Only the chosen model is decided by the threshold, which was made for it.
    """
    problem, settings = learnt.problem, learnt.settings
    if problem.target.is_number:
        truth = problem.target.values[problem.split.test]
        return measure_numbers(
            truth, variants, settings.resamples, settings.seed, groups_of_test(problem)
        )
    decided = task_of(learnt)
    likeliest = replace(decided, threshold=None)
    own = {name: found for name, found in variants.items() if name == CHOSEN}
    others = {name: found for name, found in variants.items() if name != CHOSEN}
    measure = class_metrics.measure
    return {
        **measure(likeliest, others, settings.resamples, settings.seed),
        **measure(decided, own, settings.resamples, settings.seed),
    }


def measured(learnt: Learnt, variants: dict[str, Floats]) -> dict[str, dict[str, Any]]:
    """The same, JSON-ready, in the variants' order."""
    found = drawn(learnt, variants)
    return {name: class_metrics.described(found[name]) for name in variants}


def score(problem: Problem, truth: Any, foretold: Floats) -> float:
    """The leading metric of predictions (n, outputs), signed so that more is better."""
    if problem.target.is_number:
        return -float(np.sqrt(np.mean(np.square(foretold[:, 0] - truth))))
    task = class_metrics.Task(truth, len(problem.names), problem.positive)
    return float(class_metrics.measured_once(task, foretold)["average_precision"])
