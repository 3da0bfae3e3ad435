"""The stage that compares a new model with the one in use."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.serving.compare import compare, losses, unseen
from fusemine.tasks.serving.settings import ModelSettings
from fusemine.tasks.serving.stored import TEST, load_model, read_about

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.settings import Settings


def run(inputs: Inputs, _: Settings | None, __: Progress) -> Output:
    """Compare them on the new one's test rows that neither was trained on.

    The first model that it reads is the one in use; the second is the new one, whose predictions
    are those of `classify`.
    """
    models = inputs.refs("train")
    champion, challenger = load_model(models[0]), read_about(models[1])
    rows, new = inputs.window().rows(), inputs.frame("classify")
    tested = (new["split"] == TEST).to_numpy() & unseen(rows.clean, champion.trained)
    clean, labels = rows.clean.filter(tested), new["label"].filter(tested)
    old = champion.predictions(clean, rows.matrix[tested])
    number = bool(challenger["label"]["number"])
    pair = (losses(old, labels, number), losses(new.filter(tested), labels, number))
    groups = clean["group"] if "group" in clean.columns else None
    found = compare(*pair, inputs.section(ModelSettings).margin, number, groups)
    table = {"row_id": clean["row_id"], "champion": pair[0], "challenger": pair[1]}
    return Output(
        tables={MAIN: pl.DataFrame(table)},
        rows_in=rows.clean.height,
        rows_kept=clean.height,
        summary={"champion": champion.about["id"], "challenger": challenger["id"], **asdict(found)},
    )
