"""Rows by their texts: far from the core of all texts, and far from the nearest typical ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.anomalies.views.mahalanobis import TEXT_SHRINKAGE, Covariance
from fusemine.tasks.mine.anomalies.views.text_neighbours import Neighbours, neighbours_of
from fusemine.tasks.mine.anomalies.views.view import TYPICAL, View, absent, texts_of
from fusemine.tasks.stats.p_values import FittedTail, combine_p_values, round_significant
from fusemine.tasks.text.words import without_noise

if TYPE_CHECKING:
    from fusemine.tasks.mine.anomalies.views.view import Flags, Floats, Ints
    from fusemine.tasks.text.distinct import Texts


@storable
@dataclass(frozen=True)
class TextDetector:
    """What was learned from the known texts.

    Attributes:
        core: The centre and covariance of their core.
        core_tail: How rare a distance from the core is.
        near_tail: How rare a distance from the nearest typical texts is.
        rows: How many rows are known, with a text or without.
    """

    core: Covariance
    core_tail: FittedTail
    near_tail: FittedTail
    rows: int

    def view(
        self, texts: Texts, from_core: Floats, near: Neighbours, seen: Flags, copies: Ints
    ) -> View:
        """How unusual the texts of rows are.

        Args:
            texts: The m distinct texts of n rows.
            from_core: (m,) their distances from the core.
            near: The typical texts nearest to each.
            seen: (m,) the texts that a known row has.
            copies: (n,) the number of known rows with nearly the row's text, at least 1.
        """
        by_text = {
            "far from the core": self.core_tail.p_values(from_core, seen),
            "few near": self.near_tail.p_values(distance_to(near), seen),
        }
        found = {name: np.append(its, np.nan)[texts.of_row] for name, its in by_text.items()}
        # A text of seven rows is seven times as usual as its place suggests, and that place can be
        # no farther out than seven rows are: `NONE` is far from all narratives, but nothing to
        # look into.
        least = np.where(copies > 1, copies / self.rows, 0)
        p_values = np.maximum(combine_p_values(list(found.values())), least) * copies
        return View(np.minimum(p_values, 1), detectors=found)


def text_view(texts: Texts, known: Flags) -> tuple[View, TextDetector | None, Flags]:
    """Texts far from most others, and far from the texts nearest to them.

    The first is a Mahalanobis distance from the core of the known texts, each of which counts once
    however common it is. The second is the mean similarity to the nearest of those known texts
    that are not far from most themselves: a group of foreign texts does not make itself typical.

    Args:
        texts: The m distinct texts of n rows.
        known: (n,) the rows of history.

    Returns:
        The view of the n rows; what was learned from the known texts, None where there is no view;
        and (m,) the known texts that are typical.
    """
    seen = texts_of(texts, known)
    core = Covariance.of_core(texts.vectors[seen], TEXT_SHRINKAGE)
    if core is None:
        note = "no two texts differ" if len(texts) else "no texts"
        return absent(len(texts.of_row), note), None, seen
    distances = core.distances(texts.vectors)
    core_tail = FittedTail.fit(distances[seen])
    typical = seen & (core_tail.p_values(distances, seen) > TYPICAL)
    near = neighbours_of(texts, typical)
    near_tail = FittedTail.fit(distance_to(near)[seen])
    detector = TextDetector(core, core_tail, near_tail, int(known.sum()))
    return detector.view(texts, distances, near, seen, _copies(texts, known)), detector, typical


def distance_to(near: Neighbours) -> Floats:
    """(m,) the mean distance, 1 - cosine, to the nearest typical texts; 1 where there is none."""
    similar = near.similar.astype(np.float64)
    there = (~np.isnan(similar)).sum(axis=1)
    return round_significant(1 - np.nansum(similar, axis=1) / np.maximum(there, 1))


def _copies(texts: Texts, known: Flags) -> Ints:
    """For each row the number of known rows with nearly its text, at least 1."""
    counts = copies_by_core(texts, known)
    copies = np.array([*(counts[without_noise(text)] for text in texts.texts), 1], np.int64)
    return np.maximum(copies[texts.of_row], 1)


def copies_by_core(texts: Texts, known: Flags) -> Counter[str]:
    """How many known rows have nearly the same text, by what `without_noise` leaves of it."""
    has = texts.of_row[known & (texts.of_row >= 0)]
    rows = np.bincount(has, minlength=len(texts))
    counts: Counter[str] = Counter()
    for text, its in zip(texts.texts, rows.tolist(), strict=True):
        counts[without_noise(text)] += its
    return counts
