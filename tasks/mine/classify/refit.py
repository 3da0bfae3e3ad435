"""Fitting the chosen model again, so that only what was chosen need be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.classify.classifier import Chosen, Classifier
from fusemine.tasks.mine.classify.model import Model
from fusemine.tasks.mine.classify.problem import pose
from fusemine.tasks.mine.classify.selection.trainer import Teacher
from fusemine.tasks.stats.threads import one_thread

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.settings import FuseSettings
    from fusemine.tasks.mine.classify.settings import ClassifySettings


@one_thread()
def refit(
    clean: pl.DataFrame,
    vectors: NDArray[np.float32],
    settings: ClassifySettings,
    fusing: FuseSettings,
    chosen: Chosen,
    timezone: str = "UTC",
    number: bool = False,
) -> Classifier:
    """Fit the chosen models on all training rows, without searching for them anew.

    With the arguments that `classify` was given it foretells the test rows as `classify` did, bit
    for bit on the same device.

    Args:
        clean: The clean table, n rows.
        vectors: The texts' vectors, float32 (n, d), zero where there is no text.
        settings: How the label is learnt.
        fusing: How rows become blocks.
        chosen: What `classify` chose.
        timezone: Zone of the day that `settings.test_from` names, of hours and of weekdays.
        number: Whether the label is a number to be foretold, and not a class.

    Raises:
        ModelError: The label of these rows cannot be learnt.
    """
    problem = pose(Rows(clean, vectors, timezone), settings, timezone, number)
    if isinstance(problem, str):
        raise ModelError(
            got=f"a label that cannot be learnt: {problem}",
            expected="the rows that the model was chosen on",
            fix="run the pipeline again over this window",
        )
    taught = Teacher(problem, settings, fusing).teach(problem.split.train, chosen.specs)
    model = Model(taught, chosen.specs, chosen.combiner, chosen.calibrator)
    return Classifier(model, problem.names, problem.positive, chosen.cut, settings.abstain, number)
