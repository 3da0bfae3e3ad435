"""The results of learning as one JSON-ready summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.classify import checks
from fusemine.tasks.mine.classify.decision import coverage
from fusemine.tasks.mine.classify.evaluation import class_metrics
from fusemine.tasks.mine.classify.evaluation.evaluate import (
    classification_task,
    leading_metric,
    measure_test_rows,
    score,
)
from fusemine.tasks.mine.classify.evaluation.groups import metrics_by_group
from fusemine.tasks.mine.classify.explain.explain import explain_rows, pick_rows
from fusemine.tasks.mine.classify.explain.importance import permutation_importance, players
from fusemine.tasks.mine.classify.explain.shapley import ExplainedOutput
from fusemine.tasks.mine.classify.fitted import CHOSEN, MAJORITY, FittedResult
from fusemine.tasks.mine.classify.learners.architectures import FittedNetwork
from fusemine.tasks.mine.classify.model import top_terms
from fusemine.tasks.mine.classify.problem import VIEWS
from fusemine.tasks.mine.classify.selection.candidates import baseline
from fusemine.tasks.stats.intervals import json_number
from fusemine.tasks.stats.sampling import evenly_spaced

if TYPE_CHECKING:
    from fusemine.tasks.mine.classify.explain.occlusion import Encode
    from fusemine.tasks.mine.classify.problem import Problem
    from fusemine.tasks.mine.classify.selection.trainer import Trainer

TERMS, POINTS = 15, 400
"""Words of a class, and points of the scatter plot of numbers."""
IMPORTANCE_ROWS, MIN_IMPORTANCE_ROWS, SHUFFLED = 1000, 200, 30_000
"""Test rows that importance is measured on, and cells that are shuffled for it at most."""
ROW_KINDS = ("train", "test", "unlabelled", "unused")
_KEYS = (
    "skipped", "kind", "learner", "baseline", "model", "leaderboard", "classes", "positive",
    "test_from", "split", "rows", "folds", "base_rate", "leading", "main", "metrics", "gain",
    "confusion", "curve", "calibration", "spread", "decision", "groups", "terms", "importance",
    "gates", "explanations", "learning_curve", "shuffled", "leaks", "notes", "doubts",
)  # fmt: skip
_LISTS = ("leaderboard", "classes", "groups", "importance", "explanations", "learning_curve")
EMPTY: dict[str, Any] = {
    **dict.fromkeys(_KEYS),
    **{name: [] for name in (*_LISTS, "notes")},
    **{name: {} for name in ("metrics", "terms", "gates")},
    "rows": dict.fromkeys(ROW_KINDS, 0),
    "folds": 0,
}
"""The summary of a label that was not learnt, by which all summaries order their keys."""


def summarize(result: FittedResult, trainer: Trainer, encode: Encode | None) -> dict[str, Any]:
    """The whole summary.

    `metrics` and `gain` compare views, `learning_curve` and `shuffled` are of the ablation's and of
    a linear model, and `terms` of the linear model that reads most; all else is of the chosen one.

    Args:
        result: The fitted result.
        trainer: What fitted it.
        encode: Embeds texts with words left out, to explain rows.
    """
    problem = result.problem
    found = {
        **_described(result),
        **_metrics(result),
        "terms": _terms(result),
        "importance": _importance(result),
        "gates": _gates(result),
        "explanations": _explanations(result, encode),
        "groups": _groups(result),
        "notes": checks.notes(result),
        "leading": leading_metric(problem),
    }
    if result.settings.checks:
        found["learning_curve"] = checks.learning_curve(result, trainer)
        found["shuffled"] = checks.shuffled_labels(trainer)
        found["leaks"] = checks.leaks(result)
    return found


def _described(result: FittedResult) -> dict[str, Any]:
    problem, split, candidate = result.problem, result.problem.split, result.choice.candidate
    positive = problem.positive
    return {
        "kind": "number" if problem.target.is_number else "class",
        "learner": result.settings.learner,
        "baseline": baseline(problem, result.settings).name.removeprefix("early: "),
        "model": {
            "name": candidate.name,
            "strategy": candidate.strategy,
            "parts": result.model.chosen.parts(),
            "calibration": result.calibration,
        },
        "leaderboard": result.choice.leaderboard,
        "classes": problem.names,
        "positive": None if positive is None else problem.names[positive],
        "test_from": split.test_from,
        "split": split.description,
        "rows": {kind: len(getattr(split, kind)) for kind in ROW_KINDS},
        "folds": len(np.unique(result.fold)),
        "main": problem.main,
    }


def _metrics(result: FittedResult) -> dict[str, Any]:
    problem = result.problem
    found = measure_test_rows(result, result.tested)
    metrics = {
        view: class_metrics.with_intervals(found[view])
        if view in found
        else {"skipped": _why_no_view(view, problem)}
        for view in (MAJORITY, *VIEWS, CHOSEN)
    }
    common = {"metrics": metrics, "gain": class_metrics.fusion_gain(found)}
    return common | (_of_numbers(result) if problem.target.is_number else _of_classes(result))


def _of_classes(result: FittedResult) -> dict[str, Any]:
    names, task, chosen = result.problem.names, classification_task(result), result.tested[CHOSEN]
    shares = np.bincount(task.truth, minlength=len(names)) / len(task.truth)
    return {
        "base_rate": json_number(shares[task.ranked].mean()) if task.ranked else None,
        "confusion": {"labels": names, "rows": class_metrics.confusion_matrix(task, chosen)},
        "curve": class_metrics.precision_recall_curve(task, chosen),
        "calibration": class_metrics.calibration_curve(task, chosen),
        "decision": _decision(result),
    }


def _of_numbers(result: FittedResult) -> dict[str, Any]:
    """The true numbers of the test rows over the predicted ones."""
    test = result.problem.split.test
    chosen = evenly_spaced(len(test), POINTS)
    columns = {
        "predicted": result.tested[CHOSEN][chosen, 0],
        "true": result.problem.target.values[test][chosen],
    }
    return {"spread": {name: [json_number(v) for v in held] for name, held in columns.items()}}


def _decision(result: FittedResult) -> dict[str, Any] | None:
    """When rows are called positive, and how many test rows were decided at all."""
    problem, threshold, abstain = result.problem, result.threshold, result.settings.abstain
    if threshold is None and abstain is None:
        return None
    truth = [problem.names[k] for k in problem.codes[problem.split.test]]
    return {
        "threshold": None if threshold is None else json_number(threshold.value),
        "said": "" if threshold is None else threshold.description,
        "abstain": abstain,
        **coverage(truth, result.classifier.called(result.tested[CHOSEN])),
    }


def _why_no_view(view: str, problem: Problem) -> str:
    texts = "there is no text to learn from"
    table = "there is no category or number column to learn from"
    if view == "both":
        return f"{table if 'text' in problem.views else texts}, so nothing is joined"
    if view == "table":
        return table
    weightless = view in {"sparse", "dense"} and "text" in problem.views
    return "its block has weight 0" if weightless else texts


def _terms(result: FittedResult) -> dict[str, list[tuple[str, float]]]:
    problem = result.problem
    found = top_terms(result.model.fitted, problem.target.outputs, TERMS)
    return dict(zip(problem.names or ["larger numbers"], found, strict=True))


def _importance(result: FittedResult) -> list[dict[str, Any]]:
    problem = result.problem
    # A wide table has many columns to shuffle one by one, so fewer rows have to do.
    columns = max(1, len(players(problem.rows)))
    most = max(MIN_IMPORTANCE_ROWS, min(IMPORTANCE_ROWS, SHUFFLED // columns))
    test = problem.split.test[evenly_spaced(len(problem.split.test), most)]
    truth = problem.target.values[test]
    return permutation_importance(
        result.model.predict,
        problem.rows.take(test),
        lambda predicted: score(problem, truth, predicted),
        result.settings.seed,
    )


def _gates(result: FittedResult) -> dict[str, float]:
    """Mean weight of each block in the gated network, where the chosen model has one."""
    for spec in result.model.chosen.specs:
        model = result.model.fitted.models[spec]
        if isinstance(model, FittedNetwork) and model.gates:
            return {name: round(gate, 4) for name, gate in model.gates.items()}
    return {}


def _explanations(result: FittedResult, encode: Encode | None) -> list[dict[str, Any]]:
    problem, settings, test = result.problem, result.settings, result.problem.split.test
    picked = pick_rows(
        result.predictions[test],
        problem.target.values[test],
        settings.explain,
        settings.seed,
        problem.positive,
        result.model.chosen.threshold,
    )
    found = explain_rows(
        result.model.predict,
        problem.rows.take(test[[pick.row for pick in picked]]),
        problem.rows.take(problem.split.train),
        ExplainedOutput(tuple(problem.names), problem.positive),
        encode,
        [pick.why for pick in picked],
        settings.seed,
    )
    return [explanation.to_json() for explanation in found]


def _groups(result: FittedResult) -> list[dict[str, Any]]:
    problem, test = result.problem, result.problem.test_rows
    number = problem.target.is_number
    truth = problem.target.values[problem.split.test] if number else classification_task(result)
    return metrics_by_group(test.clean, result.settings.groups, truth, result.tested[CHOSEN])
