"""Judging the models in use on the partitions that came after them, as a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.core.artifact import MAIN, read_frame, read_json
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.mine.classify.contracts import PREDICTIONS
from fusemine.tasks.mine.classify.corrections.apply import correct_labels
from fusemine.tasks.serving.monitor.evaluate import Scored, is_due, watch
from fusemine.tasks.serving.score.scored_by import kind_of
from fusemine.tasks.serving.scorer import NEW
from fusemine.tasks.serving.settings import ModelSettings

if TYPE_CHECKING:
    from fusemine.tasks.core.artifact import ArtifactRef
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.settings import Settings


def run(inputs: Inputs, _: Settings | None, __: Progress) -> Output:
    """Judge them, and say whether the last one is due to be trained again.

    What is read are the scores and the cleaned rows of the same partitions, oldest first.
    `parameters` names the partitions with rows `since` the last model's own.
    """
    pairs = zip(inputs.refs("score"), inputs.refs("clean"), strict=True)
    parts = [part for pair in pairs if (part := _part(inputs, *pair)) is not None]
    found, last = watch(parts), read_json(inputs.refs("score")[-1])
    loss = last["label"]["test_loss"] if last["label"] else None
    since: list[str] = inputs.parameters["since"]
    due = is_due(inputs.section(ModelSettings).retrain, last["model"], loss, since, found)
    rows = sum(part.predictions.height for part in parts)
    summary: dict[str, Any] = {
        **last,
        "since": since,
        "due": due.due,
        "reasons": list(due.reasons),
    }
    return Output(tables={MAIN: found.rows}, rows_in=rows, rows_kept=rows, summary=summary)


def _part(inputs: Inputs, score: ArtifactRef, cleaned: ArtifactRef) -> Scored | None:
    """One partition with the labels known by the end; None if its model predicts nothing.

    A row that the model has learnt from, as its id came in an earlier partition too, is none of it.
    """
    by = read_json(score)
    kind = kind_of(by)
    if kind is None:
        return None
    rows = read_frame(cleaned, CLEAN)
    if inputs.rules.end is not None:
        rows = rows.filter(~(pl.col("known_at") >= inputs.rules.end).fill_null(value=False))
    labels = correct_labels(rows, inputs.resource("corrections")).rows.select("row_id", "label")
    predictions = read_frame(score, PREDICTIONS).filter(pl.col("split") == NEW)
    return Scored(cleaned.partition, str(by["model"]), kind, predictions, labels)
