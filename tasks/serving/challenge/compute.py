"""Comparing the model in use with a new one, as a stage."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.serving.challenge.compare import compare, losses, unseen
from fusemine.tasks.serving.settings import ModelSettings
from fusemine.tasks.serving.stored import TEST, load, read_about

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.settings import Settings


def run(inputs: Inputs, _: Settings | None, __: Progress) -> Output:
    """Compare them on the new one's test rows that neither has seen.

    The models are read in the order: the one in use, the new one, of which `classify` is.
    """
    models = inputs.refs("train")
    champion, challenger = (read_about(model) for model in models)
    rows, new = inputs.window().rows(), inputs.frame("classify")
    stored = load(models[0])
    tested = (new["split"] == TEST).to_numpy() & unseen(rows.clean, stored.trained)
    clean, labels = rows.clean.filter(tested), new["label"].filter(tested)
    old = stored.predictions(clean, rows.matrix[tested])
    number = bool(challenger["label"]["number"])
    pair = (losses(old, labels, number), losses(new.filter(tested), labels, number))
    groups = clean["group"] if "group" in clean.columns else None
    found = compare(*pair, inputs.section(ModelSettings).margin, number, groups)
    table = {"row_id": clean["row_id"], "champion": pair[0], "challenger": pair[1]}
    return Output(
        tables={MAIN: pl.DataFrame(table)},
        rows_in=rows.clean.height,
        rows_kept=clean.height,
        summary={"champion": champion["id"], "challenger": challenger["id"], **asdict(found)},
    )
