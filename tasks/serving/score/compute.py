"""The stage that scores a partition with the model that was in use before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.serving.stored import load_model

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.settings import Settings


def run(inputs: Inputs, _: Settings | None, __: Progress) -> Output:
    """Predict the label of the partition's rows."""
    rows, model = inputs.window().rows(), load_model(inputs.ref("train"))
    found, about = model.predictions(rows.clean, rows.matrix), model.about
    return Output(
        tables={MAIN: found},
        rows_in=inputs.ref("clean").rows,
        rows_kept=found.height,
        # The summary describes the model, because its files may be gone one day.
        summary={
            "model": about["id"],
            "trained_for": about["partition"],
            "label": about["label"],
            "why_no_label": about["why_no_label"],
        },
    )
