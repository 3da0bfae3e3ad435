"""Anchors: the texts that topics were made from, beside which every other text is placed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fusemine.tasks.core import vectors
from fusemine.tasks.text.neighbours import nearest

VOTERS = 15
"""Anchors that vote on a text's topic."""
SAME = 0.9995
"""From this similarity on a text is its nearest anchor, but for the encoder's noise."""
CLOSE = 5
"""Other anchors whose mean similarity says how much a text is like others."""
PLACED_BY = 3
DIGITS = 3
_BLOCK = 50_000

Floats = NDArray[np.float32]
Topics = NDArray[np.int32]
NONE = -1


@dataclass(frozen=True)
class Placed:
    """Texts among the anchors.

    Attributes:
        topics: (m,) the topic that most of a text's nearest anchors have.
        second: (m,) the topic that would come next, -1 where there is but one.
        strengths: (m,) float32, the topic's share of the votes, from 0 to 1.
        closeness: (m,) float32, the mean similarity to the nearest other anchors.
        known: (m,) bool, whether a text is an anchor.
        places: (m, 2) float32 coordinates on the map.
    """

    topics: Topics
    second: Topics
    strengths: Floats
    closeness: Floats
    known: NDArray[np.bool_]
    places: Floats


@dataclass(frozen=True)
class Anchors:
    """The grouped texts.

    Attributes:
        vectors: (a, d) unit vectors, no two the same.
        topics: (a,) their topics.
        places: (a, 2) their coordinates.
    """

    vectors: Floats
    topics: Topics
    places: Floats

    def __len__(self) -> int:
        return len(self.topics)

    @cached_property
    def numbers(self) -> Topics:
        """(k,) the topics that there are, ascending."""
        return np.unique(self.topics)

    @cached_property
    def centres(self) -> Floats:
        """(k, d) the mean direction of each topic of `numbers`, of length 1."""
        means = [self.vectors[self.topics == t].mean(axis=0) for t in self.numbers]
        return vectors.unit(np.stack(means))

    def centre(self, topic: int) -> Floats:
        """(d,) the mean direction of one topic."""
        return np.asarray(self.centres[int(np.searchsorted(self.numbers, topic))])

    def place(self, texts: Floats) -> Placed:
        """Give texts a topic and a place; the same vector gets the same ones, whatever is asked.

        A text that is an anchor keeps the anchor's. Any other has the topic of most of its
        `VOTERS` nearest anchors, weighted by similarity, and lies amid the nearest of these.

        Args:
            texts: (m, d) unit vectors.
        """
        parts = [
            self._place(texts[start : start + _BLOCK])
            for start in range(0, max(len(texts), 1), _BLOCK)
        ]
        return Placed(*(np.concatenate([getattr(p, f) for p in parts]) for f in _FIELDS))

    def _place(self, texts: Floats) -> Placed:
        near, similar = nearest(texts, self.vectors, min(VOTERS, len(self)))
        codes = np.searchsorted(self.numbers, self.topics)[near]
        known = similar[:, 0] >= SAME
        votes = _votes(codes, similar, len(self.numbers))
        rows = np.arange(len(texts))
        first = np.where(known, codes[:, 0], votes.argmax(axis=1))
        totals = np.maximum(votes.sum(axis=1), 1e-9)
        strengths = votes[rows, first] / totals
        return Placed(
            topics=self.numbers[first],
            second=self._second(texts, votes, first),
            strengths=strengths.round(4).astype(np.float32),
            closeness=_closeness(similar),
            known=known,
            places=self._between(near, codes == first[:, None], known),
        )

    def _second(self, texts: Floats, votes: Floats, first: NDArray[np.intp]) -> Topics:
        """The topic with the next most votes; where all agree, the one of the nearest centre."""
        if len(self.numbers) == 1:
            return np.full(len(texts), NONE, np.int32)
        rows = np.arange(len(texts))
        # Votes outweigh the centres, which are told apart to six digits only.
        scores = votes * 1e3 + np.round(texts @ self.centres.T, 6)
        scores[rows, first] = -np.inf
        return np.asarray(self.numbers[scores.argmax(axis=1)])

    def _between(
        self, near: NDArray[np.int64], own: NDArray[np.bool_], known: NDArray[np.bool_]
    ) -> Floats:
        """The mean place of the nearest anchors of a text's own topic, or its anchor's place."""
        # Only those of one topic: the middle between two islands would be a place of neither.
        weight = (own & (np.cumsum(own, axis=1) <= PLACED_BY)).astype(np.float32)
        weight[known] = 0
        weight[known, 0] = 1
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1)
        found = (self.places[near] * weight[:, :, None]).sum(axis=1)
        return np.asarray(found.round(DIGITS), np.float32)


_FIELDS = tuple(Placed.__dataclass_fields__)


def _votes(codes: NDArray[np.int64], similar: Floats, count: int) -> Floats:
    """(m, k) sums of the similarities of the anchors that have each topic."""
    votes = np.zeros((len(codes), count), np.float32)
    rows = np.arange(len(codes))
    for column in range(codes.shape[1]):
        votes[rows, codes[:, column]] += np.maximum(similar[:, column], 1e-6)
    return votes.round(5)


def _closeness(similar: Floats) -> Floats:
    """The mean similarity to the nearest anchors but itself; 1 where there is no other."""
    other = similar < SAME
    chosen = other & (np.cumsum(other, axis=1) <= CLOSE)
    count = chosen.sum(axis=1)
    total = np.where(chosen, similar, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), 1).round(4).astype(np.float32)


def outlier_bar(closeness: Floats, most: float) -> float:
    """The closeness below which a text is like no others, from that of the anchors.

    It is three robust standard deviations below the median, or lower, so that no more than the
    share `most` of the anchors are below it.
    """
    middle = float(np.median(closeness))
    deviation = 1.4826 * float(np.median(np.abs(closeness - middle)))
    return min(middle - 3 * deviation, float(np.quantile(closeness, most, method="lower")))


def to_table(anchors: Anchors) -> pa.Table:
    """Anchors by the contract `anchors`; vectors in half precision, which loses nothing here."""
    table = pa.table(
        {
            "vector": vectors.to_arrow(anchors.vectors.astype(np.float16)),
            "topic": pa.array(anchors.topics),
            "x": pa.array(anchors.places[:, 0]),
            "y": pa.array(anchors.places[:, 1]),
        }
    )
    return table.replace_schema_metadata({"dtype": "float16"})


def from_table(table: pa.Table) -> Anchors:
    """Anchors from a table by the contract `anchors`."""
    found = vectors.to_numpy(table.column("vector"), vectors.dtype_of(table.schema))
    places = np.column_stack([table.column(axis).to_numpy() for axis in ("x", "y")])
    return Anchors(vectors.unit(found), table.column("topic").to_numpy(), places)


def rounded(anchors: Anchors) -> Anchors:
    """The anchors as they will be when they are read again, so that both place alike."""
    return from_table(to_table(anchors))
