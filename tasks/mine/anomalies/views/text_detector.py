"""Rows by their texts: far from the core of all texts, and far from the nearest usual ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.anomalies.views.mahalanobis import TEXT_SHRINKAGE, Shape
from fusemine.tasks.mine.anomalies.views.text_neighbours import Neighbours, neighbours_of
from fusemine.tasks.mine.anomalies.views.view import USUAL, View, absent, texts_of
from fusemine.tasks.stats.p_values import FittedTail, joined, significant
from fusemine.tasks.text.words import essence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.text.distinct import Texts


@storable
@dataclass(frozen=True)
class TextDetector:
    """What the known texts taught.

    Attributes:
        shape: The shape of their core.
        far: How rare a distance from the core is.
        lonely: How rare a distance from the nearest usual texts is.
        rows: How many rows are known, with a text or without.
    """

    shape: Shape
    far: FittedTail
    lonely: FittedTail
    rows: int

    def judge(self, said: Said) -> View:
        """How unusual the texts of rows are."""
        far = self.far.p_values(said.distances, said.seen)
        lonely = self.lonely.p_values(lonely_of(said.near), said.seen)
        found = {"far from the core": far, "few near": lonely}
        found = {name: np.append(tails, np.nan)[said.of_row] for name, tails in found.items()}
        # A text of seven rows is seven times as usual as its place says, and that place can be no
        # farther out than seven rows are: `NONE` is far from all narratives, but nothing to look
        # into.
        least = np.where(said.alike > 1, said.alike / self.rows, 0)
        tails = np.maximum(joined(list(found.values())), least) * said.alike
        return View(np.minimum(tails, 1), detectors=found)


@dataclass(frozen=True)
class Said:
    """The texts of n rows against the known ones.

    Attributes:
        of_row: (n,) the place of each row's text among the m distinct ones, -1 for none.
        distances: (m,) the texts' distances from the core.
        near: The usual texts nearest to each.
        seen: (m,) the texts that a known row has.
        alike: (n,) the number of known rows with nearly the row's text, at least 1.
    """

    of_row: NDArray[np.int64]
    distances: NDArray[np.float64]
    near: Neighbours
    seen: NDArray[np.bool_]
    alike: NDArray[np.int64]


@dataclass(frozen=True)
class Spoken:
    """The text view of n rows with m distinct texts.

    Attributes:
        view: What it found.
        detector: What the known texts taught; None where there is no view.
        usual: (m,) the known texts that may be a usual neighbour.
    """

    view: View
    detector: TextDetector | None
    usual: NDArray[np.bool_]


def text_view(texts: Texts, known: NDArray[np.bool_]) -> Spoken:
    """Texts far from most others, and far from the texts nearest to them.

    The first is a Mahalanobis distance with the shape of the core of the known texts, each of
    which counts once however common it is. The second is the mean similarity to the nearest of
    those known texts that are not far from most themselves: a group of foreign texts does not make
    itself usual.

    Args:
        texts: The m distinct texts of n rows.
        known: (n,) the rows of history.
    """
    seen = texts_of(texts, known)
    shape = Shape.core(texts.vectors[seen], TEXT_SHRINKAGE)
    if shape is None:
        note = "no two texts differ" if len(texts) else "no texts"
        return Spoken(absent(len(texts.of_row), note), None, seen)
    distances = shape.distances(texts.vectors)
    far = FittedTail.of(distances[seen])
    usual = seen & (far.p_values(distances, seen) > USUAL)
    near = neighbours_of(texts, usual)
    lonely = FittedTail.of(lonely_of(near)[seen])
    detector = TextDetector(shape, far, lonely, int(known.sum()))
    said = Said(texts.of_row, distances, near, seen, _alike(texts, known))
    return Spoken(detector.judge(said), detector, usual)


def lonely_of(near: Neighbours) -> NDArray[np.float64]:
    """(m,) the mean distance, 1 - cosine, to the nearest usual texts; 1 where there is none."""
    similar = near.similar.astype(np.float64)
    there = (~np.isnan(similar)).sum(axis=1)
    return significant(1 - np.nansum(similar, axis=1) / np.maximum(there, 1))


def _alike(texts: Texts, known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row the number of known rows with nearly its text, at least 1."""
    counts = essences(texts, known)
    alike = np.array([*(counts[essence(text)] for text in texts.texts), 1], np.int64)
    return np.maximum(alike[texts.of_row], 1)


def essences(texts: Texts, known: NDArray[np.bool_]) -> Counter[str]:
    """How many known rows have nearly the same text, by its essence."""
    has = texts.of_row[known & (texts.of_row >= 0)]
    rows = np.bincount(has, minlength=len(texts))
    counts: Counter[str] = Counter()
    for text, its in zip(texts.texts, rows.tolist(), strict=True):
        counts[essence(text)] += its
    return counts
