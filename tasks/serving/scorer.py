"""A model: all that is needed to say of new rows what a run says of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.fuse.features import dense
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.topic_chain.registry import NO_TEXT_NAME
from fusemine.tasks.text.distinct import distinct_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.fuse.blocks import Block
    from fusemine.tasks.mine.anomalies.detectors import Detectors
    from fusemine.tasks.mine.classify.classifier import Classifier
    from fusemine.tasks.mine.topic_chain.reference_texts import Anchors

NEW = "new"
"""The split of rows that are neither training nor test rows."""
_NOTHING: dict[str, Any] = {
    "prediction": pl.String,
    "probability": pl.Float64,
}


@dataclass(frozen=True)
class Scorer:
    """What a window taught.

    Attributes:
        classifier: Foretells the label; None if none was learnt.
        blocks: The table's blocks that the detectors read, as fitted on the window.
        detectors: Judge how unusual rows are.
        levels: The levels that each category had, where they are not too many.
        timezone: The zone of hours and weekdays.
    """

    classifier: Classifier | None
    blocks: tuple[Block, ...]
    detectors: Detectors
    levels: dict[str, list[str]]
    timezone: str = "UTC"

    def predictions(self, clean: pl.DataFrame, vectors: NDArray[np.float32]) -> pl.DataFrame:
        """What the label of new rows is foretold to be, by the contract `predictions`.

        Args:
            clean: The clean table of n rows.
            vectors: Their texts' unit vectors (n, d), zero where there is no text.
        """
        own = clean.select("row_id", pl.lit(NEW).alias("split"), "label")
        if self.classifier is None:
            return own.with_columns(_null("prediction"), _null("probability"))
        foretold = self.classifier.foretell(Rows(clean, vectors, self.timezone))
        return own.hstack(self.classifier.predictions(foretold))

    def anomalies(self, clean: pl.DataFrame, vectors: NDArray[np.float32]) -> pl.DataFrame:
        """How unusual new rows are: `row_id`, `score`, `flagged` and `reason`."""
        table = table_of(self.blocks, Rows(clean, vectors))
        found = self.detectors.score(clean, vectors, table)
        return clean.select("row_id").hstack(found.select("score", "flagged", "reason"))


def _null(name: str) -> pl.Expr:
    return pl.lit(None, _NOTHING[name]).alias(name)


def table_of(blocks: tuple[Block, ...], rows: Rows) -> NDArray[np.float32]:
    """The features of fitted blocks side by side, float32 (n, features)."""
    empty = np.empty((len(rows), 0), np.float32)
    return np.hstack([empty, *(dense(block.transform(rows)) for block in blocks)])


@dataclass(frozen=True)
class TopicNames:
    """The topics that texts can have.

    Attributes:
        anchors: The texts that they were made from; None where there were none.
        names: By the topics' numbers.
    """

    anchors: Anchors | None
    names: dict[int, str]

    def of(self, clean: pl.DataFrame, vectors: NDArray[np.float32]) -> pl.Series:
        """The name of the topic that each row's text has, as `topic`; null without any."""
        texts = distinct_texts(clean, vectors)
        if self.anchors is None or not len(texts):
            named: list[str | None] = [None] * len(texts)
        else:
            topics = self.anchors.place(texts.vectors).topics.tolist()
            named = [self.names[topic] for topic in topics]
        of_row = [NO_TEXT_NAME if place < 0 else named[place] for place in texts.of_row.tolist()]
        return pl.Series("topic", of_row, pl.String)
