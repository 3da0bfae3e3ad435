"""Which of the unusual rows are flagged, and the reasons of these and the next ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.anomalies.views.view import TYPICAL
from fusemine.tasks.stats.p_values import benjamini_hochberg
from fusemine.tasks.text.words import without_noise

if TYPE_CHECKING:
    from fusemine.tasks.mine.anomalies.score_views import ScoredWindow
    from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
    from fusemine.tasks.mine.anomalies.views.view import Flags, Floats, Ints

FEW = 10
"""Of fewer rows than this none is flagged: there is nothing yet that is usual."""
MAX_FLAGGED = 10_000
"""Rows that are flagged at most: each gets a reason of its own."""
SCANNED = 20
"""Rows that are read for each one to be flagged, before repeats end the search."""
EXPLAINED, NEW = 50, 10
"""Rows that have a reason at least, and new ones among them, be they flagged or not."""
RARE = 0.01
"""What is flagged by itself is at least so rare: one of four new rows may well be 1 in 40."""


def candidates(
    p_values: Floats, representative: Flags, new: Flags, settings: AnomaliesSettings
) -> Flags:
    """The rows (n,) that may be flagged, of those that stand for themselves or for a group.

    Those with a significant p-value, new rows and history each by themselves so that neither
    decides on the other; or all of them, where the settings fix how many are to be flagged. A
    group is tested once, as it is flagged once: counted row by row it would let others through.

    Args:
        p_values: (n,) the rows' p-values.
        representative: (n,) the rows that stand for themselves or for a group of repeats.
        new: (n,) the rows that are not history.
        settings: How many rows are flagged.
    """
    found = np.zeros(len(p_values), bool)
    if len(p_values) < FEW:
        return found
    if settings.top is not None or settings.contamination is not None:
        return representative & (p_values < 1)
    for side in (new, ~new):
        rows = side & representative
        significant = benjamini_hochberg(p_values[rows], settings.false_alarms)
        found[rows] = significant & (p_values[rows] <= RARE)
    return found


def most(rows: int, settings: AnomaliesSettings) -> int:
    """How many of so many rows are flagged at most."""
    if settings.contamination is not None:
        return min(MAX_FLAGGED, math.ceil(settings.contamination * rows))
    return MAX_FLAGGED if settings.top is None else min(settings.top, rows // 10)


def flag_and_explain(
    window: ScoredWindow, newest: Flags, settings: AnomaliesSettings
) -> tuple[dict[int, str], int]:
    """Flag rows by their p-values, and give these and the next unusual ones a reason.

    Args:
        window: The n rows.
        newest: (n,) the rows of the newest partition, some of which always get a reason.
        settings: How many rows are flagged.

    Returns:
        By row, why it is unusual; and how many of these, the first ones, are flagged.
    """
    p_values, new = window.p_values, ~window.known
    groups = RepeatGroups.of(window.repeats.of_row, p_values, new)
    chosen = candidates(p_values, groups.representative, new, settings)
    reasons, seen = _first(window, groups, chosen, most(len(p_values), settings))
    flagged = len(reasons)
    for rows, count in ((p_values < 1, EXPLAINED), (newest & (p_values < 1), NEW)):
        left = rows & groups.representative
        left[seen] = False
        have = sum(bool(rows[row]) for row in reasons)
        more, read = _first(window, groups, left, min(count, len(p_values) // FEW) - have)
        reasons |= more
        seen += read
    return reasons, flagged


@dataclass(frozen=True)
class RepeatGroups:
    """Which of n rows are one entry: those of a group of repeats that is unusual.

    History and new rows are two groups, so that neither takes the other's entry. Rows that repeat
    each other are entries of their own all the same where most of them are typical: then it is not
    the text that is unusual.

    Attributes:
        group: (n,) the group whose entry a row is in, -1 for none.
        representative: (n,) the rows of no group, and of each group the one of the least p-value.
        rows: By group, its rows.
        before: By group, the rows of history that repeat it; 0 for a group of history.
    """

    group: Ints
    representative: Flags
    rows: Ints
    before: Ints

    @classmethod
    def of(cls, of_row: Ints, p_values: Floats, new: Flags) -> RepeatGroups:
        """Divide the groups of repeats (n,), -1 for none, by what is new; keep the unusual ones."""
        sides = np.where(of_row >= 0, 2 * of_row + new, -1)
        size = 2 * (int(of_row.max(initial=-1)) + 1)
        rows = np.bincount(sides[sides >= 0], minlength=size)
        unusual = np.bincount(sides[(sides >= 0) & (p_values <= TYPICAL)], minlength=size)
        # The -1 of no group picks what is appended, so that it stays without one.
        group = np.where(np.append(2 * unusual >= rows, False)[sides], sides, -1)
        order = np.argsort(p_values, kind="stable")
        _, first = np.unique(group[order], return_index=True)
        representative = group < 0
        representative[order[first]] = True
        before = np.zeros(size, np.int64)
        before[1::2] = rows[::2]
        return cls(group, representative, rows, before)

    def counted(self, reason: str, rows: list[int]) -> str:
        """The first row's reason with how many are like it: its group, or these rows."""
        group, before, more = int(self.group[rows[0]]), 0, len(rows) - 1
        if group >= 0:
            before = int(self.before[group])
            more = int(self.rows[group]) - 1 + before
        if not more:
            return reason
        like = "1 more row is" if more == 1 else f"{more:,} more rows are"
        earlier = f", {before:,} of them before" if before else ""
        return f"{reason[:-1]} ({like} like it{earlier})."


def _first(
    window: ScoredWindow, groups: RepeatGroups, chosen: Flags, count: int
) -> tuple[dict[int, str], list[int]]:
    """The first `count` of the chosen rows by their p-values, with their reasons.

    Of rows that have nearly the same text and the same reason, the first stands for all, and its
    reason counts those like it. The rows that were read, and have a reason or are like one that
    has, come second.
    """
    found: dict[tuple[str, str, bool, int], list[int]] = {}
    for row in by_p_value(window.p_values, chosen)[: max(count, 0) * SCANNED].tolist():
        core = without_noise(str(window.table.clean["text"][row]))
        key = core, window.reason(row), bool(window.known[row]), int(groups.group[row])
        if key not in found and len(found) == count:
            break
        found.setdefault(key, []).append(row)
    reasons = {rows[0]: groups.counted(reason, rows) for (_, reason, _, _), rows in found.items()}
    return reasons, [row for rows in found.values() for row in rows]


def by_p_value(p_values: Floats, rows: Flags) -> Ints:
    """The places of some of the rows (n,), the least p-value first and ties in the rows' order.

    >>> by_p_value(np.array([0.5, 0.1, 0.1, 0.9]), np.array([True, True, True, False])).tolist()
    [1, 2, 0]
    """
    places = np.flatnonzero(rows)
    return places[np.argsort(p_values[places], kind="stable")]
