"""Scoring a partition with the model that was in use before it, as a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.serving.score.scored_by import scored_by
from fusemine.tasks.serving.stored import load, read_about

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.settings import Settings


def run(inputs: Inputs, _: Settings | None, __: Progress) -> Output:
    """Predict the label of the partition's rows."""
    rows, model = inputs.window().rows(), inputs.ref("train")
    found = load(model).predictions(rows.clean, rows.matrix)
    return Output(
        tables={MAIN: found},
        rows_in=inputs.ref("clean").rows,
        rows_kept=found.height,
        summary=scored_by(read_about(model)),
    )
