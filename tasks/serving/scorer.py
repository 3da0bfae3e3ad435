"""A model: everything that is needed to score new rows as a run scores its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.fuse.features import dense
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.anomalies.new_rows import score_rows
from fusemine.tasks.mine.topic_chain.registry import NO_TEXT_NAME
from fusemine.tasks.text.distinct import distinct_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.blocks import Block
    from fusemine.tasks.mine.anomalies.detectors import Detectors
    from fusemine.tasks.mine.classify.model import Classifier
    from fusemine.tasks.mine.topic_chain.reference_texts import ReferenceTexts

NEW = "new"
"""The split of rows that are neither training nor test rows."""


@dataclass(frozen=True)
class Scorer:
    """What was fitted on a window.

    Attributes:
        classifier: Predicts the label; None if there is none.
        blocks: The table's blocks that the detectors read, as fitted on the window.
        detectors: Score how unusual rows are.
        levels: The levels of each category in the window, where they are not too many.
        timezone: The zone of hours and weekdays.
    """

    classifier: Classifier | None
    blocks: tuple[Block, ...]
    detectors: Detectors
    levels: dict[str, list[str]]
    timezone: str = "UTC"

    def predictions(self, clean: pl.DataFrame, vectors: NDArray[np.float32]) -> pl.DataFrame:
        """The predicted labels of new rows, by the contract `predictions`.

        Args:
            clean: The clean table of n rows.
            vectors: Their texts' unit vectors (n, d), zero where there is no text.
        """
        own = clean.select("row_id", pl.lit(NEW).alias("split"), "label")
        if self.classifier is None:
            return own.with_columns(
                prediction=pl.lit(None, pl.String), probability=pl.lit(None, pl.Float64)
            )
        predicted = self.classifier.predict(Rows(clean, vectors, self.timezone))
        return own.hstack(self.classifier.predictions(predicted))

    def anomalies(self, clean: pl.DataFrame, vectors: NDArray[np.float32]) -> pl.DataFrame:
        """How unusual new rows are: `row_id`, `score`, `flagged` and `reason`.

        Args:
            clean: The clean table of n rows.
            vectors: Their texts' unit vectors (n, d), zero where there is no text.
        """
        table = table_of(self.blocks, Rows(clean, vectors))
        found = score_rows(self.detectors, clean, vectors, table)
        return clean.select("row_id").hstack(found.select("score", "flagged", "reason"))


def table_of(blocks: tuple[Block, ...], rows: Rows) -> NDArray[np.float32]:
    """The features of fitted blocks side by side, float32 (n, features)."""
    empty = np.empty((len(rows), 0), np.float32)
    return np.hstack([empty, *(dense(block.transform(rows)) for block in blocks)])


@dataclass(frozen=True)
class TopicNames:
    """The topics that texts can have.

    Attributes:
        references: Texts of known topics; None where there were none.
        names: The topics' names by their numbers.
    """

    references: ReferenceTexts | None
    names: dict[int, str]

    def of(self, clean: pl.DataFrame, vectors: NDArray[np.float32]) -> pl.Series:
        """The name of each row's topic, (n,) as `topic`; null where there are no topics."""
        texts = distinct_texts(clean, vectors)
        named: list[str | None] = [None] * len(texts)
        if self.references is not None and len(texts):
            topics = self.references.assign(texts.vectors).topics.tolist()
            named = [self.names[topic] for topic in topics]
        of_row = [NO_TEXT_NAME if place < 0 else named[place] for place in texts.of_row.tolist()]
        return pl.Series("topic", of_row, pl.String)
