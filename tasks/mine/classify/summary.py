"""What learning found, as one JSON-ready summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.classify import checks
from fusemine.tasks.mine.classify.decide import coverage, decided
from fusemine.tasks.mine.classify.evaluation import class_metrics
from fusemine.tasks.mine.classify.evaluation.class_metrics import json_number
from fusemine.tasks.mine.classify.evaluation.evaluate import drawn, leading, score, task_of
from fusemine.tasks.mine.classify.evaluation.groups import by_group
from fusemine.tasks.mine.classify.explain.explain import explain_rows, pick
from fusemine.tasks.mine.classify.explain.importance import importance, players
from fusemine.tasks.mine.classify.explain.shapley import Explained
from fusemine.tasks.mine.classify.fitted import CHOSEN, MAJORITY, Learnt
from fusemine.tasks.mine.classify.learners.gated import Gated
from fusemine.tasks.mine.classify.learners.networks import NetworkMember
from fusemine.tasks.mine.classify.model import terms
from fusemine.tasks.mine.classify.problem import VIEWS
from fusemine.tasks.mine.classify.selection.candidates import baseline
from fusemine.tasks.stats.sampling import evenly

if TYPE_CHECKING:
    from fusemine.tasks.mine.classify.explain.occlusion import Encode
    from fusemine.tasks.mine.classify.problem import Problem
    from fusemine.tasks.mine.classify.selection.trainer import Teacher

TERMS = 15
EXPLAINED_ROWS, FEWEST_ROWS, SHUFFLED = 1000, 200, 30_000
EMPTY: dict[str, Any] = {
    "skipped": None,
    "kind": None,
    "learner": None,
    "baseline": None,
    "model": None,
    "leaderboard": [],
    "classes": [],
    "positive": None,
    "test_from": None,
    "split": None,
    "rows": {"train": 0, "test": 0, "unlabelled": 0, "unused": 0},
    "folds": 0,
    "base_rate": None,
    "leading": None,
    "main": None,
    "metrics": {},
    "gain": None,
    "confusion": None,
    "curve": None,
    "calibration": None,
    "spread": None,
    "decision": None,
    "groups": [],
    "terms": {},
    "importance": [],
    "gates": {},
    "explanations": [],
    "learning_curve": [],
    "shuffled": None,
    "leaks": None,
    "notes": [],
    "doubts": None,
}


def summary_of(learnt: Learnt, teacher: Teacher, encode: Encode | None) -> dict[str, Any]:
    """All of it.

    `metrics` and `gain` compare views, `learning_curve` and `shuffled` are of the ablation's and of
    a linear model, and `terms` of the linear model that reads most; all else is of the chosen one.
    """
    settings, problem = learnt.settings, learnt.problem
    checked = settings.checks
    return {
        **_described(learnt),
        **_judged(learnt),
        "terms": _terms(learnt),
        "importance": _importance(learnt),
        "gates": _gates(learnt),
        "explanations": _explanations(learnt, encode),
        "groups": _groups(learnt),
        "learning_curve": checks.learning_curve(learnt, teacher) if checked else [],
        "shuffled": checks.shuffled(teacher) if checked else None,
        "leaks": checks.suspicions(learnt) if checked else None,
        "notes": checks.notes(learnt),
        "leading": leading(problem),
    }


def _described(learnt: Learnt) -> dict[str, Any]:
    problem, split = learnt.problem, learnt.problem.split
    positive = problem.positive
    return {
        "kind": "number" if problem.target.is_number else "class",
        "learner": learnt.settings.learner,
        "baseline": baseline(problem, learnt.settings).name.removeprefix("early: "),
        "model": {
            "name": learnt.choice.candidate.name,
            "strategy": learnt.choice.candidate.strategy,
            "parts": learnt.model.parts(),
            "calibration": learnt.calibration,
        },
        "leaderboard": learnt.choice.leaderboard,
        "classes": problem.names,
        "positive": None if positive is None else problem.names[positive],
        "test_from": split.test_from,
        "split": split.said,
        "rows": {
            name: len(getattr(split, name)) for name in ("train", "test", "unlabelled", "unused")
        },
        "folds": len(np.unique(learnt.fold)),
        "main": problem.main,
    }


def _judged(learnt: Learnt) -> dict[str, Any]:
    problem = learnt.problem
    found = drawn(learnt, learnt.tested)
    shown = (MAJORITY, *VIEWS, CHOSEN)
    metrics = {
        view: class_metrics.described(found[view])
        if view in found
        else {"skipped": _missing(view, problem)}
        for view in shown
    }
    judged = {"metrics": metrics, "gain": class_metrics.gain(found)}
    return judged | (_spread(learnt) if problem.target.is_number else _of_classes(learnt))


def _of_classes(learnt: Learnt) -> dict[str, Any]:
    problem, task = learnt.problem, task_of(learnt)
    main = learnt.tested[CHOSEN]
    shares = np.bincount(task.truth, minlength=len(problem.names)) / len(task.truth)
    return {
        "base_rate": json_number(shares[task.ranked].mean()) if task.ranked else None,
        "confusion": {"labels": problem.names, "rows": class_metrics.confusion(task, main)},
        "curve": class_metrics.precision_recall(task, main),
        "calibration": class_metrics.calibration(task, main),
        "decision": _decision(learnt),
    }


def _spread(learnt: Learnt) -> dict[str, Any]:
    """The true numbers of the test rows over the predicted ones, at most some hundred points."""
    test = learnt.problem.split.test
    chosen = evenly(len(test), 400)
    return {
        "spread": {
            "predicted": [json_number(v) for v in learnt.tested[CHOSEN][chosen, 0]],
            "true": [json_number(v) for v in learnt.problem.target.values[test][chosen]],
        }
    }


def _decision(learnt: Learnt) -> dict[str, Any] | None:
    """When rows are called positive, and how many test rows were decided at all."""
    settings, problem = learnt.settings, learnt.problem
    if learnt.threshold is None and settings.abstain is None:
        return None
    called = decided(
        learnt.tested[CHOSEN], problem.names, problem.positive, learnt.cut, settings.abstain
    )
    truth = [problem.names[k] for k in problem.codes[problem.split.test]]
    return {
        "threshold": None if learnt.threshold is None else json_number(learnt.threshold.value),
        "said": "" if learnt.threshold is None else learnt.threshold.said,
        "abstain": settings.abstain,
        **coverage(truth, called),
    }


def _missing(view: str, problem: Problem) -> str:
    texts = "there is no text to learn from"
    table = "there is no category or number column to learn from"
    if view == "both":
        return f"{table if 'text' in problem.views else texts}, so nothing is joined"
    if view == "table":
        return table
    weightless = view in {"sparse", "dense"} and "text" in problem.views
    return "its block has weight 0" if weightless else texts


def _terms(learnt: Learnt) -> dict[str, list[tuple[str, float]]]:
    problem = learnt.problem
    found = terms(learnt.taught, problem.target.outputs, TERMS)
    return dict(zip(problem.names or ["larger numbers"], found, strict=True))


def _importance(learnt: Learnt) -> list[dict[str, Any]]:
    problem = learnt.problem
    # A wide table is many columns to shuffle one by one, so fewer rows have to do.
    columns = max(1, len(players(problem.rows)))
    most = max(FEWEST_ROWS, min(EXPLAINED_ROWS, SHUFFLED // columns))
    test = problem.split.test[evenly(len(problem.split.test), most)]
    truth = problem.target.values[test]
    return importance(
        learnt.model.predict,
        problem.rows.take(test),
        lambda foretold: score(problem, truth, foretold),
        learnt.settings.seed,
    )


def _gates(learnt: Learnt) -> dict[str, float]:
    """Mean weight of each block in the gated network, where the chosen model has one."""
    for spec in learnt.model.specs:
        member = learnt.taught.members[spec]
        if isinstance(member, NetworkMember) and isinstance(member.network, Gated):
            pairs = zip(member.network.names, member.network.mean, strict=True)
            return {name: round(float(value), 4) for name, value in pairs}
    return {}


def _explanations(learnt: Learnt, encode: Encode | None) -> list[dict[str, Any]]:
    problem, settings = learnt.problem, learnt.settings
    test = problem.split.test
    picked = pick(
        learnt.foretold[test],
        problem.target.values[test],
        settings.explain,
        settings.seed,
        problem.positive,
        learnt.cut,
    )
    if not picked:
        return []
    found = explain_rows(
        learnt.model.predict,
        problem.rows.take(test[[one.row for one in picked]]),
        problem.rows.take(problem.split.train),
        Explained(tuple(problem.names), problem.positive),
        encode,
        [one.why for one in picked],
        settings.seed,
    )
    return [explanation.to_json() for explanation in found]


def _groups(learnt: Learnt) -> list[dict[str, Any]]:
    problem, settings = learnt.problem, learnt.settings
    test = problem.split.test
    truth = problem.target.values[test] if problem.target.is_number else task_of(learnt)
    clean = problem.rows.clean[test]
    return by_group(clean, settings.groups, truth, learnt.tested[CHOSEN])
