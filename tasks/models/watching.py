"""What is watched of a pipeline's models in use, and where it is read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from tasks.artifacts import ArtifactRef, read_frame, read_json
from tasks.contracts import CLEAN, PREDICTIONS
from tasks.learn.corrections.apply import correct_labels
from tasks.models.about import kind_of
from tasks.models.watch import Scored
from tasks.windowed import SUMMARY

if TYPE_CHECKING:
    from tasks.models.settings import RetrainRule
    from tasks.windowed import WindowRefs


@dataclass(frozen=True)
class Watching:
    """What is watched of a pipeline's models in use.

    Attributes:
        scored: Of each partition, oldest first, what the model in use before it foretold.
        cleaned: The cleaned rows, with the labels that are known by now, by partition.
        since: The partitions with rows that came after the last model's own.
        rule: When it is due to be trained anew.
    """

    scored: dict[str, ArtifactRef]
    cleaned: dict[str, ArtifactRef]
    since: tuple[str, ...]
    rule: RetrainRule

    @property
    def last(self) -> dict[str, Any]:
        """The model that scored the newest partition, as `scored_by` says."""
        return read_json(self.scored[max(self.scored)], SUMMARY)

    def part(self, partition: str, window: WindowRefs) -> Scored | None:
        """One partition with its labels; None if its model foretells nothing."""
        by = read_json(self.scored[partition], SUMMARY)
        kind = kind_of(by)
        if kind is None:
            return None
        rows = read_frame(self.cleaned[partition], CLEAN)
        if window.rules.end is not None:
            late = (pl.col("known_at") >= window.rules.end).fill_null(value=False)
            rows = rows.filter(~late)
        labels = correct_labels(rows, window.corrections).rows.select("row_id", "label")
        predictions = read_frame(self.scored[partition], PREDICTIONS)
        return Scored(partition, str(by["model"]), kind, predictions, labels)
