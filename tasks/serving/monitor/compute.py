"""The stage that evaluates the models in use on the partitions that came after them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.storage.artifact import MAIN, read_frame, read_json
from fusemine.tasks.corrections.apply import correct_labels
from fusemine.tasks.mine.classify.contracts import PREDICTIONS
from fusemine.tasks.serving.monitor.evaluate import Kind, ScoredPartition, evaluate, retraining_due
from fusemine.tasks.serving.scorer import NEW
from fusemine.tasks.serving.settings import ModelSettings

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.settings import Settings
    from fusemine.tasks.core.storage.artifact import ArtifactRef


def run(inputs: Inputs, _: Settings | None, __: Progress) -> Output:
    """Evaluate them, and decide whether the last one is due for retraining.

    It reads the predictions and the cleaned rows of the same partitions, oldest first.
    `parameters` names the partitions with rows `since` the last model's own.
    """
    pairs = zip(inputs.refs("score"), inputs.refs("clean"), strict=True)
    parts = [part for pair in pairs if (part := _part(inputs, *pair)) is not None]
    found, last = evaluate(parts), read_json(inputs.refs("score")[-1])
    loss = last["label"]["test_loss"] if last["label"] else None
    since: list[str] = inputs.parameters["since"]
    rule = inputs.section(ModelSettings).retrain
    due, reasons = retraining_due(rule, last["model"], loss, since, found)
    rows = sum(part.predictions.height for part in parts)
    summary = {**last, "since": since, "due": due, "reasons": reasons}
    return Output(tables={MAIN: found.rows}, rows_in=rows, rows_kept=rows, summary=summary)


def _part(inputs: Inputs, score: ArtifactRef, cleaned: ArtifactRef) -> ScoredPartition | None:
    """One partition with the labels known by the window's end; None if its model has no label.

    Rows that the model was trained on, because their ids were in an earlier partition too, are
    left out.
    """
    by = read_json(score)
    label: dict[str, Any] | None = by["label"]
    if label is None:
        return None
    rows = read_frame(cleaned, CLEAN)
    if inputs.rules.end is not None:
        rows = rows.filter(~(pl.col("known_at") >= inputs.rules.end).fill_null(value=False))
    labels = correct_labels(rows, inputs.resource("corrections")).rows.select("row_id", "label")
    predictions = read_frame(score, PREDICTIONS).filter(pl.col("split") == NEW)
    kind = Kind(label["number"], label["positive"], label["leading"])
    return ScoredPartition(cleaned.partition, str(by["model"]), kind, predictions, labels)
