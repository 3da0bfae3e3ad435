"""The metrics of predictions of the test rows, for classes and for numbers alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.classify.evaluation import class_metrics
from fusemine.tasks.mine.classify.evaluation.number_metrics import measure_numbers
from fusemine.tasks.mine.classify.fitted import CHOSEN
from fusemine.tasks.stats.sampling import group_codes, group_ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.fitted import FittedResult
    from fusemine.tasks.mine.classify.problem import Problem
    from fusemine.tasks.stats.target import Floats


def leading_metric(problem: Problem) -> str:
    """The metric that models are compared by."""
    return "rmse" if problem.target.is_number else "average_precision"


def classification_task(result: FittedResult) -> class_metrics.Task:
    """The classes of the test rows, and how they are counted."""
    problem, threshold = result.problem, result.model.chosen.threshold
    truth, groups = problem.codes[problem.split.test], _test_groups(problem)
    return class_metrics.Task(truth, len(problem.names), problem.positive, threshold, groups)


def _test_groups(problem: Problem) -> NDArray[np.int64] | None:
    """The group of each test row (n,), where the table has groups."""
    clean = problem.test_rows.clean
    return group_codes(group_ids(clean))[0] if "group" in clean.columns else None


def measure_test_rows(
    result: FittedResult, variants: dict[str, Floats]
) -> dict[str, dict[str, Floats]]:
    """Every metric of every variant's predictions of the test rows, with its resamples.

    Only the chosen model has a threshold, which was made for it.

    Args:
        result: The fitted result.
        variants: Predictions of the test rows (n, outputs).
    """
    problem, settings = result.problem, result.settings
    drawn = (settings.resamples, settings.seed)
    if problem.target.is_number:
        truth = problem.target.values[problem.split.test]
        return measure_numbers(truth, variants, *drawn, _test_groups(problem))
    # The threshold was chosen for calibrated probabilities, which the others are not.
    task = classification_task(result)
    likeliest = replace(task, threshold=None)
    chosen = {name: found for name, found in variants.items() if name == CHOSEN}
    others = {name: found for name, found in variants.items() if name != CHOSEN}
    measure = class_metrics.measure
    return measure(likeliest, others, *drawn) | measure(task, chosen, *drawn)


def score(problem: Problem, truth: NDArray[Any], predicted: Floats) -> float:
    """The leading metric of predictions (n, outputs), signed so that more is better."""
    if problem.target.is_number:
        return -float(np.sqrt(np.mean(np.square(predicted[:, 0] - truth))))
    task = class_metrics.Task(truth, len(problem.names), problem.positive)
    return float(class_metrics.measure_once(task, predicted)["average_precision"])
