"""Finding known topics again in a new grouping of the texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_OVERLAP = 0.2
"""Texts in common, as a share of the texts of either, below which two are not the same topic."""
NEAR = 0.9
"""Topics without a text in common are the same from this similarity of their centres on."""
MOST = 0.5
"""A topic went into another one, or came from it, with this share of its texts."""
PART = 0.2
"""A new topic with this share of an old one's texts is a part of it."""

Topics = NDArray[np.int32]


@dataclass(frozen=True)
class Matching:
    """How the groups of a new grouping and the known topics belong together.

    Attributes:
        same: The known topic that each group is, for those that are one.
        parts: The known topic that a group without one was split from.
        into: The group that a known topic without one was merged into.
        overlap: (old, new) texts in common, old as in `known`.
        known: The known topics.
    """

    same: dict[int, int]
    parts: dict[int, int]
    into: dict[int, int]
    overlap: NDArray[np.int64]
    known: list[int]

    def common(self, topic: int, group: int) -> int:
        """Texts that had the topic and are in the group."""
        return int(self.overlap[self.known.index(topic), group])

    def texts_of(self, topic: int) -> int:
        """Texts that had the topic."""
        return int(self.overlap[self.known.index(topic)].sum())


def match(
    groups: Topics,
    before: Topics,
    centres: NDArray[np.float32],
    known: Mapping[int, NDArray[np.float32]],
) -> Matching:
    """Match groups with known topics, one to one, so that as many texts as can be keep theirs.

    The assignment is Kuhn's Hungarian method (1955) on the share of texts in common (Jaccard)
    and, as far as these leave it open, the similarity of the centres.

    Args:
        groups: (n,) the new group of each text, from 0 to k - 1.
        before: (n,) the topic that each text had, -1 for none.
        centres: (k, d) unit centres of the groups.
        known: Unit centre (d,) of each known topic that lives, by its number.
    """
    from scipy.optimize import linear_sum_assignment

    numbers = sorted(known)
    counts = [np.bincount(groups[before == n], minlength=len(centres)) for n in numbers]
    overlap = np.array(counts, np.int64).reshape(len(numbers), len(centres))
    sizes = np.bincount(groups, minlength=len(centres))
    union = overlap.sum(axis=1, keepdims=True) + sizes[None, :] - overlap
    # Jaccard: texts in common over the texts of either.
    shared = overlap / np.maximum(union, 1)
    own = np.array([known[n] for n in numbers], np.float64).reshape(len(numbers), centres.shape[1])
    nearness = np.round(own @ centres.T.astype(np.float64), 6)
    # Texts count for more than centres, which only decide where texts leave it open.
    rows, columns = linear_sum_assignment(-(0.8 * shared + 0.2 * nearness))
    same = {
        int(new): numbers[old]
        for old, new in zip(rows.tolist(), columns.tolist(), strict=True)
        if _is_same(int(overlap[old].sum()), int(sizes[new]), overlap[old, new], nearness[old, new])
    }
    return Matching(
        same, _parts(overlap, numbers, same), _into(overlap, numbers, same), overlap, numbers
    )


def _is_same(old: int, new: int, common: int, nearness: float) -> bool:
    """Whether a topic of `old` texts and a group of `new` ones that were assigned are the same."""
    # A topic that left the window has no texts; its centre has to do.
    return common >= LEAST_OVERLAP * min(old, new) if old else nearness >= NEAR


def _parts(overlap: NDArray[np.int64], numbers: list[int], same: dict[int, int]) -> dict[int, int]:
    """Groups without a known topic most of whose known texts came from one that lives on."""
    found = {}
    for group in range(overlap.shape[1]):
        column = overlap[:, group]
        if group in same or not column.any():
            continue
        old = int(column.argmax())
        most = column[old] >= MOST * column.sum() and column[old] >= PART * overlap[old].sum()
        if most and numbers[old] in same.values():
            found[group] = numbers[old]
    return found


def _into(overlap: NDArray[np.int64], numbers: list[int], same: dict[int, int]) -> dict[int, int]:
    """Known topics without a group most of whose texts went to one that is another topic."""
    found = {}
    for place, number in enumerate(numbers):
        row = overlap[place]
        if number in same.values() or not row.any():
            continue
        group = int(row.argmax())
        if group in same and row[group] >= MOST * row.sum():
            found[number] = group
    return found
