"""Learning the label: honest predictions for every row, and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.classify.fitted import Learnt, conclude, fits_to_conclude
from fusemine.tasks.mine.classify.label_errors.label_errors import doubts, no_doubts
from fusemine.tasks.mine.classify.problem import pose
from fusemine.tasks.mine.classify.selection.choose import choose
from fusemine.tasks.mine.classify.selection.trainer import Progress, Teacher
from fusemine.tasks.mine.classify.summary import EMPTY, summary_of
from fusemine.tasks.stats.folds import folds_of
from fusemine.tasks.stats.threads import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.mine.classify.classifier import Chosen
    from fusemine.tasks.mine.classify.settings import ClassifySettings

Encode: TypeAlias = Callable[[list[str]], "NDArray[np.float32]"]
"""From texts to their unit vectors, float32 (n, d)."""


@dataclass(frozen=True)
class Classification:
    """The predictions of every row, and what they are worth."""

    predictions: pl.DataFrame
    """By the contract `predictions`, in row order; no rows if skipped."""
    doubts: pl.DataFrame
    """By the contract `doubts`: rows whose label is doubtful, the most doubtful first."""
    summary: dict[str, Any]
    """JSON-ready, always with the same keys; `skipped` holds a reason or None."""
    choice: Chosen | None
    """What `refit` needs to fit the model again; None if skipped."""


@one_thread()
def classify(
    clean: pl.DataFrame,
    vectors: NDArray[np.float32],
    settings: ClassifySettings,
    fusing: FuseSettings,
    progress: Progress | None = None,
    timezone: str = "UTC",
    number: bool = False,
    encode: Encode | None = None,
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
        timezone: Zone of the day that `settings.test_from` names, of hours and of weekdays.
        number: Whether the label is a number to be foretold, and not a class.
        encode: Embeds texts with words left out, to explain rows; without it their vectors stay.
    """
    problem = pose(Rows(clean, vectors, timezone), settings, timezone, number)
    if isinstance(problem, str):
        return Classification(_no_predictions(), no_doubts(), {**EMPTY, "skipped": problem}, None)
    teacher = Teacher(problem, settings, fusing, progress)
    fold = folds_of(problem.train, clean[problem.split.train], settings.folds, settings.seed)
    choice = choose(teacher, fold, fits_to_conclude(problem, settings))
    learnt = conclude(teacher, choice, fold)
    doubtful, audit = doubts(learnt)
    summary = {**EMPTY, **summary_of(learnt, teacher, encode), "doubts": audit}
    return Classification(_predictions(learnt), doubtful, summary, learnt.chosen)


def _predictions(learnt: Learnt) -> pl.DataFrame:
    problem = learnt.problem
    split = np.full(len(problem.rows), "train", dtype=object)
    for name in ("test", "unlabelled", "unused"):
        split[getattr(problem.split, name)] = name
    clean = problem.rows.clean
    known = pl.DataFrame(
        {
            "row_id": clean["row_id"],
            "split": pl.Series(split, dtype=pl.String),
            "label": clean["label"],
        }
    )
    return known.hstack(learnt.classifier.predictions(learnt.foretold))


def _no_predictions() -> pl.DataFrame:
    texts = dict.fromkeys(("row_id", "split", "label", "prediction"), pl.String)
    return pl.DataFrame(schema={**texts, "probability": pl.Float64})
