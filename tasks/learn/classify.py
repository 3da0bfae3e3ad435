"""Learning the label: honest probabilities for every row, and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from tasks.contracts import PROBABILITY
from tasks.fuse.parts import Rows
from tasks.mine import evaluate
from tasks.mine.folds import deal, with_duplicates
from tasks.mine.learners import Model, fit_models
from tasks.mine.problem import VIEWS, Problem, pose
from tasks.mine.threads import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.fuse.settings import FuseSettings
    from tasks.mine.settings import ClassifySettings

Floats: TypeAlias = "NDArray[np.float64]"
Positions: TypeAlias = "NDArray[np.intp]"
Progress: TypeAlias = Callable[[int, int], None]
TERMS = 15
_EMPTY: dict[str, Any] = {
    "skipped": None,
    "learner": None,
    "classes": [],
    "positive": None,
    "test_from": None,
    "split": None,
    "rows": {"train": 0, "test": 0, "unlabelled": 0},
    "folds": 0,
    "base_rate": None,
    "main": None,
    "metrics": {},
    "gain": None,
    "confusion": None,
    "curve": None,
    "calibration": None,
    "terms": {},
}


@dataclass(frozen=True)
class Classification:
    """The predictions of every row, and what they are worth."""

    predictions: pl.DataFrame
    """By the contract `predictions`, in row order; no rows if skipped."""
    summary: dict[str, Any]
    """JSON-ready, always with the same keys; `skipped` holds a reason or None. All but `metrics`
    and `gain` is about the view `main`; a view that cannot be learnt has a `skipped` of its own."""


@one_thread()
def classify(
    clean: pl.DataFrame,
    vectors: NDArray[np.float32],
    settings: ClassifySettings,
    fusing: FuseSettings,
    progress: Progress | None = None,
    timezone: str = "UTC",
) -> Classification:
    """Learn the label from the labelled rows and predict every row.

    Test rows, and rows without label, are predicted by a model of all training rows; training
    rows by models of the other folds. So no labelled row is predicted by a model that saw it.

    Args:
        clean: The clean table, n rows.
        vectors: The texts' vectors, float32 (n, d), zero where there is no text.
        settings: How the label is learnt and judged.
        fusing: How rows become blocks.
        progress: Is told how many fits are done, and of how many.
        timezone: Zone of the day that `settings.test_from` names.
    """
    problem = pose(Rows(clean, vectors), settings, timezone)
    if isinstance(problem, str):
        return Classification(_predictions_of_none(), {**_EMPTY, "skipped": problem})
    fold = _folds(problem, settings)
    fits = _Fits(problem, settings, fusing, progress, len(np.unique(fold)) + 1)
    probabilities = _out_of_fold(fits, fold)
    models = fits.fit(problem.split.train, list(problem.views))
    others = np.concatenate([problem.split.test, problem.split.unlabelled])
    probabilities[others] = models[problem.main].probabilities(problem.rows.take(others))
    tested = {
        view: model.probabilities(problem.rows.take(problem.split.test))
        for view, model in models.items()
    }
    summary = {
        **_EMPTY,
        **_described(problem, settings, len(np.unique(fold))),
        **_judged(problem, tested, settings),
        "terms": _terms(problem, models[problem.main]),
    }
    return Classification(_predictions(problem, probabilities), summary)


@dataclass
class _Fits:
    """Fits models and counts them."""

    problem: Problem
    settings: ClassifySettings
    fusing: FuseSettings
    progress: Progress | None
    total: int
    done: int = field(default=0, init=False)

    def fit(self, index: Positions, views: list[str]) -> dict[str, Model]:
        """Learn from the rows at these positions, once per view."""
        problem = self.problem
        models = fit_models(
            problem.rows.take(index),
            problem.codes[index],
            len(problem.names),
            {view: problem.views[view] for view in views},
            self.settings,
            self.fusing,
        )
        self.done += 1
        if self.progress:
            self.progress(self.done, self.total)
        return models


def _folds(problem: Problem, settings: ClassifySettings) -> NDArray[np.int64]:
    train = problem.split.train
    fold = deal(problem.codes[train], settings.folds, settings.seed)
    return with_duplicates(fold, problem.rows.clean[train])


def _out_of_fold(fits: _Fits, fold: NDArray[np.int64]) -> Floats:
    """Probabilities (n, classes) of the training rows, 0 for the others."""
    problem = fits.problem
    result = np.zeros((len(problem.rows), len(problem.names)))
    for part in np.unique(fold):
        held = problem.split.train[fold == part]
        model = fits.fit(problem.split.train[fold != part], [problem.main])[problem.main]
        result[held] = model.probabilities(problem.rows.take(held))
    return result


def _predictions(problem: Problem, probabilities: Floats) -> pl.DataFrame:
    split = np.full(len(problem.rows), "train", dtype=object)
    split[problem.split.test], split[problem.split.unlabelled] = "test", "unlabelled"
    names = np.array(problem.names, dtype=object)
    return pl.DataFrame(
        {
            "row_id": problem.rows.clean["row_id"],
            "split": pl.Series(split, dtype=pl.String),
            "label": problem.rows.clean["label"],
            "prediction": pl.Series(names[probabilities.argmax(axis=1)], dtype=pl.String),
            "probability": probabilities.max(axis=1),
            **{PROBABILITY + name: probabilities[:, k] for k, name in enumerate(problem.names)},
        }
    )


def _predictions_of_none() -> pl.DataFrame:
    texts = dict.fromkeys(("row_id", "split", "label", "prediction"), pl.String)
    return pl.DataFrame(schema={**texts, "probability": pl.Float64})


def _described(problem: Problem, settings: ClassifySettings, folds: int) -> dict[str, Any]:
    split = problem.split
    return {
        "learner": settings.learner,
        "classes": problem.names,
        "positive": None if problem.positive is None else problem.names[problem.positive],
        "test_from": split.test_from,
        "split": split.said,
        "rows": {
            "train": len(split.train),
            "test": len(split.test),
            "unlabelled": len(split.unlabelled),
        },
        "folds": folds,
        "main": problem.main,
    }


def _judged(
    problem: Problem, tested: dict[str, Floats], settings: ClassifySettings
) -> dict[str, Any]:
    truth = problem.codes[problem.split.test]
    task = evaluate.Task(truth, len(problem.names), problem.positive)
    main = tested[problem.main]
    measured = evaluate.measure(task, tested, settings.resamples, settings.seed)
    shares = np.bincount(truth, minlength=len(problem.names)) / len(truth)
    return {
        "base_rate": evaluate.plain(shares[task.ranked].mean()) if task.ranked else None,
        "metrics": {
            view: evaluate.described(measured[view])
            if view in measured
            else {"skipped": _missing(view, problem)}
            for view in VIEWS
        },
        "gain": evaluate.gain(measured),
        "confusion": {"labels": problem.names, "rows": evaluate.confusion(task, main)},
        "curve": evaluate.precision_recall(task, main),
        "calibration": evaluate.calibration(task, main),
    }


def _missing(view: str, problem: Problem) -> str:
    texts = "there is no text to learn from"
    table = "there is no category or number column to learn from"
    if view == "both":
        return f"{table if problem.main == 'text' else texts}, so nothing is joined"
    return texts if view == "text" else table


def _terms(problem: Problem, model: Model) -> dict[str, list[tuple[str, float]]]:
    return dict(zip(problem.names, model.terms(TERMS), strict=True))
