"""What is watched of a pipeline's models in use, and where it is read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.core.artifact import ArtifactRef, read_frame, read_json
from fusemine.tasks.core.contract import CLEAN, PREDICTIONS
from fusemine.tasks.core.windowed import SUMMARY
from fusemine.tasks.mine.classify.corrections.apply import correct_labels
from fusemine.tasks.serving.monitor.evaluate import Scored
from fusemine.tasks.serving.scorer import NEW
from fusemine.tasks.serving.train.about import kind_of

if TYPE_CHECKING:
    from datetime import datetime

    from fusemine.tasks.mine.classify.corrections.apply import Corrections
    from fusemine.tasks.serving.settings import RetrainRule


@dataclass(frozen=True)
class Watching:
    """What is watched of a pipeline's models in use.

    Attributes:
        scored: Of each partition, oldest first, what the model in use before it foretold.
        cleaned: The cleaned rows, with the labels that are known by now, by partition.
        since: The partitions with rows that came after the last model's own.
        rule: When it is due to be trained anew.
        corrections: Corrected labels of all these partitions.
    """

    scored: dict[str, ArtifactRef]
    cleaned: dict[str, ArtifactRef]
    since: tuple[str, ...]
    rule: RetrainRule
    corrections: Corrections

    @property
    def last(self) -> dict[str, Any]:
        """The model that scored the newest partition, as `scored_by` says."""
        return read_json(self.scored[max(self.scored)], SUMMARY)

    def part(self, partition: str, end: datetime | None) -> Scored | None:
        """One partition with the labels known before `end`; None if its model foretells nothing.

        A row that the model has learnt from, as its id came in an earlier partition too, is none
        of it.
        """
        by = read_json(self.scored[partition], SUMMARY)
        kind = kind_of(by)
        if kind is None:
            return None
        rows = read_frame(self.cleaned[partition], CLEAN)
        if end is not None:
            rows = rows.filter(~(pl.col("known_at") >= end).fill_null(value=False))
        labels = correct_labels(rows, self.corrections).rows.select("row_id", "label")
        predictions = read_frame(self.scored[partition], PREDICTIONS)
        predictions = predictions.filter(pl.col("split") == NEW)
        return Scored(partition, str(by["model"]), kind, predictions, labels)
