"""The texts that each text is most similar to, for views that compare a row with similar ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.anomalies.views.view import evenly_chosen
from fusemine.tasks.text.neighbours import nearest_neighbours

if TYPE_CHECKING:
    from fusemine.tasks.mine.anomalies.views.view import Flags, Ints, Vectors
    from fusemine.tasks.text.distinct import Texts

MAX_TEXTS = 50_000
"""Neighbours are sought among at most this many texts, evenly spread."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest other texts of m distinct texts, most similar first.

    Attributes:
        places: (m, k) their places among the m texts, -1 where there are no more.
        similar: (m, k) their cosine similarities, NaN where there are no more.
    """

    places: Ints
    similar: Vectors

    def of(self, text: int) -> list[int]:
        """The places of one text's neighbours, as many as there are."""
        return [place for place in self.places[text].tolist() if place >= 0]


def neighbours_of(texts: Texts, known: Flags, count: int = 10) -> Neighbours:
    """Find each distinct text's nearest other texts among the known ones.

    Args:
        texts: The m distinct texts with their unit vectors.
        known: (m,) which of them may be neighbours, such as those of history.
        count: k, how many are sought; where there are fewer, the rest is -1 and NaN.
    """
    references = evenly_chosen(known, MAX_TEXTS)
    own = np.full(len(texts), -1, np.int64)
    own[references] = np.arange(len(references))
    found = nearest_others(texts.vectors, texts.vectors[references], own, count)
    # The -1 of no neighbour picks the -1 that is appended.
    return Neighbours(np.append(references, -1)[found.places], found.similar)


def nearest_others(vectors: Vectors, references: Vectors, own: Ints, count: int = 10) -> Neighbours:
    """Find the references nearest to each text, a text itself not among them.

    Args:
        vectors: (m, d) unit vectors of the texts.
        references: (r, d) unit vectors of the references.
        own: (m,) each text's place among the references, -1 for none.
        count: k, how many are sought; where there are fewer, the rest is -1 and NaN.

    Returns:
        Their places among the r references.
    """
    found, cosines = nearest_neighbours(vectors, references, count + 1)
    itself = found == own[:, None]
    # One too many was sought: the text itself moves to the end, behind the last that counts.
    order = np.argsort(itself, axis=1, kind="stable")
    found = np.take_along_axis(np.where(itself, -1, found), order, axis=1)
    cosines = np.take_along_axis(np.where(itself, np.float32(np.nan), cosines), order, axis=1)
    places = np.full((len(vectors), count), -1, np.int64)
    similar = np.full((len(vectors), count), np.nan, np.float32)
    width = min(count, found.shape[1])
    places[:, :width], similar[:, :width] = found[:, :width], cosines[:, :width]
    return Neighbours(places, similar)
