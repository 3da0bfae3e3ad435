"""The texts that topics were made from: every other text gets its topic from the nearest of them.

They are stored as the table `anchors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fusemine.tasks.core import vectors
from fusemine.tasks.text.neighbours import nearest_neighbours

VOTERS = 15
"""Reference texts that vote on a text's topic."""
SAME = 0.9995
"""From this similarity on a text is its nearest reference text, but for the encoder's noise."""
CLOSEST = 5
"""Other reference texts whose mean similarity is a text's closeness."""
_MAPPED_BY, _DIGITS = 3, 3
_BLOCK = 50_000

Floats = NDArray[np.float32]
Topics = NDArray[np.int32]


@dataclass(frozen=True)
class Assignments:
    """The topics and the coordinates of m texts.

    Attributes:
        topics: (m,) the topic that most of a text's nearest reference texts have.
        second: (m,) the topic that would come next, -1 where there is but one.
        strengths: (m,) float32, the topic's share of the votes, from 0 to 1.
        closeness: (m,) float32, the mean similarity to the nearest other reference texts.
        known: (m,) bool, whether a text is a reference text.
        coordinates: (m, 2) float32 on the map.
    """

    topics: Topics
    second: Topics
    strengths: Floats
    closeness: Floats
    known: NDArray[np.bool_]
    coordinates: Floats


@dataclass(frozen=True)
class ReferenceTexts:
    """The grouped texts.

    Attributes:
        vectors: (a, d) unit vectors, no two the same.
        topics: (a,) their topics.
        coordinates: (a, 2) on the map.
    """

    vectors: Floats
    topics: Topics
    coordinates: Floats

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

    def assign(self, texts: Floats) -> Assignments:
        """Give texts a topic and coordinates, each text the same ones whatever comes with it.

        A reference text keeps its own. Any other has the topic of most of its `VOTERS` nearest
        reference texts, weighted by similarity, and lies amid the nearest of these.

        Args:
            texts: (m, d) unit vectors.
        """
        starts = range(0, max(len(texts), 1), _BLOCK)
        parts = [self._assign(texts[start : start + _BLOCK]) for start in starts]
        return Assignments(*(np.concatenate([getattr(p, f) for p in parts]) for f in _FIELDS))

    def _assign(self, texts: Floats) -> Assignments:
        near, similar = nearest_neighbours(texts, self.vectors, min(VOTERS, len(self)))
        codes = np.searchsorted(self.numbers, self.topics)[near]
        known = similar[:, 0] >= SAME
        votes = _votes(codes, similar, len(self.numbers))
        # A reference text needs no votes: it keeps its topic even amid texts of another one.
        first = np.where(known, codes[:, 0], votes.argmax(axis=1))
        strengths = votes[np.arange(len(texts)), first] / np.maximum(votes.sum(axis=1), 1e-9)
        return Assignments(
            topics=self.numbers[first],
            second=self._second(texts, votes, first),
            strengths=strengths.round(4).astype(np.float32),
            closeness=_closeness(similar),
            known=known,
            coordinates=self._coordinates(near, codes == first[:, None], known),
        )

    def _second(self, texts: Floats, votes: Floats, first: NDArray[np.intp]) -> Topics:
        """The topic with the next most votes; where all agree, the one of the nearest centre."""
        if len(self.numbers) == 1:
            return np.full(len(texts), -1, np.int32)
        # Votes outweigh the similarities to the centres, which count to six digits only.
        scores = votes * 1e3 + np.round(texts @ self.centres.T, 6)
        scores[np.arange(len(texts)), first] = -np.inf
        return np.asarray(self.numbers[scores.argmax(axis=1)])

    def _coordinates(
        self, near: NDArray[np.int64], own: NDArray[np.bool_], known: NDArray[np.bool_]
    ) -> Floats:
        """The mean coordinates of the nearest texts of a text's own topic; a known text's own."""
        # Only those of one topic: the middle between two islands would be a place of neither.
        weight = (own & (np.cumsum(own, axis=1) <= _MAPPED_BY)).astype(np.float32)
        # A reference text lies exactly where it is.
        weight[known] = 0
        weight[known, 0] = 1
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1)
        found = (self.coordinates[near] * weight[:, :, None]).sum(axis=1)
        return np.asarray(found.round(_DIGITS), np.float32)


_FIELDS = tuple(Assignments.__dataclass_fields__)


def _votes(codes: NDArray[np.int64], similar: Floats, count: int) -> Floats:
    """(m, k) sums of the similarities of the neighbours that have each topic."""
    votes = np.zeros((len(codes), count), np.float32)
    rows = np.arange(len(codes))
    for column in range(codes.shape[1]):
        # One column at a time: a text may have several neighbours of one topic.
        votes[rows, codes[:, column]] += np.maximum(similar[:, column], 1e-6)
    return votes.round(5)


def _closeness(similar: Floats) -> Floats:
    """The mean similarity to the nearest texts but itself; 1 where there is no other."""
    other = similar < SAME
    chosen = other & (np.cumsum(other, axis=1) <= CLOSEST)
    count = chosen.sum(axis=1)
    total = np.where(chosen, similar, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), 1).round(4).astype(np.float32)


def outlier_threshold(closeness: Floats, most: float) -> float:
    """The closeness below which a text is an outlier.

    It is three robust standard deviations (1.4826 times the median absolute deviation) below the
    median, or lower, so that no more than the share `most` of the reference texts are below it.

    Args:
        closeness: (a,) that of the reference texts.
        most: From 0 to 1.
    """
    middle = float(np.median(closeness))
    # The median absolute deviation is robust against the outliers themselves.
    deviation = 1.4826 * float(np.median(np.abs(closeness - middle)))
    return min(middle - 3 * deviation, float(np.quantile(closeness, most, method="lower")))


def to_table(texts: ReferenceTexts) -> pa.Table:
    """The table by the contract `anchors`; half precision loses nothing of these vectors."""
    table = pa.table(
        {
            "vector": vectors.to_arrow(texts.vectors.astype(np.float16)),
            "topic": pa.array(texts.topics),
            "x": pa.array(texts.coordinates[:, 0]),
            "y": pa.array(texts.coordinates[:, 1]),
        }
    )
    return table.replace_schema_metadata({"dtype": "float16"})


def from_table(table: pa.Table) -> ReferenceTexts:
    """The texts of a table by the contract `anchors`."""
    found = vectors.to_numpy(table.column("vector"), vectors.dtype_of(table.schema))
    coordinates = np.column_stack([table.column(axis).to_numpy() for axis in ("x", "y")])
    return ReferenceTexts(vectors.unit(found), table.column("topic").to_numpy(), coordinates)


def rounded(texts: ReferenceTexts) -> ReferenceTexts:
    """The texts as they will be when they are read again, so that both assign alike."""
    return from_table(to_table(texts))
