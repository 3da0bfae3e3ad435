"""Learning the label: honest predictions for every row, and how good they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.classify.contracts import LABEL_ERRORS, PREDICTIONS
from fusemine.tasks.mine.classify.fitted import FittedResult, count_final_fits, fit_final
from fusemine.tasks.mine.classify.label_errors.label_errors import label_errors
from fusemine.tasks.mine.classify.model import ChosenModel, Classifier, Model
from fusemine.tasks.mine.classify.problem import make_problem
from fusemine.tasks.mine.classify.selection.choose import choose
from fusemine.tasks.mine.classify.selection.trainer import Progress, Trainer
from fusemine.tasks.mine.classify.summary import EMPTY, summarize
from fusemine.tasks.stats.sampling import assign_folds
from fusemine.tasks.stats.threads import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.mine.classify.explain.occlusion import Encode
    from fusemine.tasks.mine.classify.settings import ClassifySettings


@dataclass(frozen=True)
class Classification:
    """The predictions of every row, and how good they are."""

    predictions: pl.DataFrame
    """By the contract `predictions`, in row order; no rows if skipped."""
    label_errors: pl.DataFrame
    """By the contract `doubts`: rows whose label may be wrong, the likeliest errors first."""
    summary: dict[str, Any]
    """JSON-ready, always with the same keys; `skipped` holds a reason or None."""
    choice: ChosenModel | None
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
        settings: How the label is learnt and tested.
        fusing: How rows become blocks.
        progress: Called with how many fits are done, and how many there are.
        timezone: Zone of the day that `settings.test_from` names, of hours and of weekdays.
        number: Whether the label is a number to be predicted, and not a class.
        encode: Embeds texts with words left out, to explain rows; without it their vectors stay.
    """
    problem = make_problem(Rows(clean, vectors, timezone), settings, number)
    if isinstance(problem, str):
        predictions, errors = (pl.DataFrame(t.empty()) for t in (PREDICTIONS, LABEL_ERRORS))
        return Classification(predictions, errors, {**EMPTY, "skipped": problem}, None)
    trainer = Trainer(problem, settings, fusing, progress)
    fold = assign_folds(problem.train, clean[problem.split.train], settings.folds, settings.seed)
    choice = choose(trainer, fold, count_final_fits(problem, settings))
    result = fit_final(trainer, choice, fold)
    errors, audit = label_errors(result)
    summary = {**EMPTY, **summarize(result, trainer, encode), "doubts": audit}
    return Classification(_predictions(result), errors, summary, result.model.chosen)


@one_thread()
def refit(
    clean: pl.DataFrame,
    vectors: NDArray[np.float32],
    settings: ClassifySettings,
    fusing: FuseSettings,
    chosen: ChosenModel,
    timezone: str = "UTC",
    number: bool = False,
) -> Classifier:
    """Fit the chosen models on all training rows again, without another search.

    With the arguments that `classify` was given it predicts the test rows as `classify` did, bit
    for bit on the same device. So only the choice need be stored, and no fitted model.

    Args:
        clean: The clean table, n rows.
        vectors: The texts' vectors, float32 (n, d), zero where there is no text.
        settings: How the label is learnt.
        fusing: How rows become blocks.
        chosen: What `classify` chose.
        timezone: Zone of the day that `settings.test_from` names, of hours and of weekdays.
        number: Whether the label is a number to be predicted, and not a class.

    Raises:
        ModelError: The label of these rows cannot be learnt.
    """
    problem = make_problem(Rows(clean, vectors, timezone), settings, number)
    if isinstance(problem, str):
        raise ModelError(
            got=f"a label that cannot be learnt: {problem}",
            expected="the rows that the model was chosen on",
            fix="run the pipeline again over this window",
        )
    fitted = Trainer(problem, settings, fusing).fit(problem.split.train, chosen.specs)
    model = Model(fitted, chosen)
    return Classifier(model, problem.names, problem.positive, settings.abstain, number)


def _predictions(result: FittedResult) -> pl.DataFrame:
    problem = result.problem
    split = np.full(len(problem.rows), "train", dtype=object)
    for name in ("test", "unlabelled", "unused"):
        split[getattr(problem.split, name)] = name
    clean = problem.rows.clean
    known = clean.select("row_id", pl.Series("split", split, dtype=pl.String), "label")
    return known.hstack(result.classifier.predictions(result.predictions))
