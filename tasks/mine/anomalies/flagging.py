"""Which of the unusual rows are flagged, and the reasons of these and the next ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.anomalies.reasons.baseline import usual
from fusemine.tasks.mine.anomalies.reasons.findings import Findings
from fusemine.tasks.mine.anomalies.reasons.reasons import unusual_words
from fusemine.tasks.mine.anomalies.views.view import USUAL
from fusemine.tasks.stats.p_values import rejected
from fusemine.tasks.text.words import essence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
    from fusemine.tasks.mine.anomalies.views.bursts import Bursts
    from fusemine.tasks.mine.anomalies.views.match import Match
    from fusemine.tasks.mine.anomalies.views.repeats import Repeats
    from fusemine.tasks.mine.anomalies.views.text_neighbours import Neighbours
    from fusemine.tasks.mine.anomalies.views.view import Table, View
    from fusemine.tasks.text.distinct import Texts

FEW = 10
"""Of fewer rows than this none is flagged: there is nothing yet that is usual."""
MOST = 10_000
"""Rows that are flagged at most: each gets a reason of its own."""
SCANNED = 20
"""Rows that are looked at for each one to be flagged, before repeats end the search."""
EXPLAINED, NEW = 50, 10
"""Rows that have a reason at least, and new ones among them, be they flagged or not."""
NEAR = 3
"""Usual rows that are named beside a flagged one."""
RARE = 0.01
"""What is flagged by itself is at least so rare: one of four new rows may well be 1 in 40."""


def candidates(
    tails: NDArray[np.float64],
    stands: NDArray[np.bool_],
    new: NDArray[np.bool_],
    settings: AnomaliesSettings,
) -> NDArray[np.bool_]:
    """The rows (n,) that may be flagged, of those that stand for themselves or for a group.

    Those whose p-value stands out, new rows and history each by themselves so that neither
    decides on the other; or all of them, where the settings say how many are to be flagged. A
    group is tested once, as it is flagged once: counted row by row it would let others through.
    """
    if len(tails) < FEW:
        return np.zeros(len(tails), bool)
    if settings.top is not None or settings.contamination is not None:
        return stands & (tails < 1)
    found = np.zeros(len(tails), bool)
    for side in (new, ~new):
        rows = side & stands
        found[rows] = rejected(tails[rows], settings.false_alarms) & (tails[rows] <= RARE)
    return found


def most(rows: int, settings: AnomaliesSettings) -> int:
    """How many of so many rows are flagged at most."""
    if settings.contamination is not None:
        return min(MOST, math.ceil(settings.contamination * rows))
    return MOST if settings.top is None else min(settings.top, rows // 10)


@dataclass(frozen=True)
class Told:
    """The rows that something is told of: those that are flagged, and the next unusual ones.

    Attributes:
        reasons: By row, why it is unusual.
        near: By row, the places of the usual rows that are nearest to it, nearest first.
        flagged: How many of them, the first ones, are flagged.
    """

    reasons: dict[int, str]
    near: dict[int, list[int]]
    flagged: int = 0


@dataclass(frozen=True)
class Grounds:
    """What reasons are made from: n rows, what the views found of them, and their repeats."""

    table: Table
    texts: Texts
    neighbours: Neighbours
    known: NDArray[np.bool_]
    views: dict[str, View]
    match: Match | None
    bursts: Bursts
    repeats: Repeats

    @cached_property
    def shares(self) -> dict[str, NDArray[np.float64]]:
        """By view, the share of the known rows (n,) that are less unusual than each row."""
        return {name: view.shares(view.ordered(self.known)) for name, view in self.views.items()}

    @cached_property
    def _findings(self) -> Findings:
        return Findings(
            usual(self.table.clean, self.known),
            self.table,
            self.views,
            self.shares,
            self.match,
            self.bursts,
            self.table.shape(self.known),
        )

    def reason(self, row: int) -> str:
        """Why a row is unusual, in a sentence."""
        found = self._findings
        place = int(self.texts.of_row[row])
        return found.reason(row, unusual_words(found.usual, self.texts, self.neighbours, place))

    def near(self, row: int, tails: NDArray[np.float64]) -> list[int]:
        """The nearest rows by the text that are not unusual, at most `NEAR`."""
        place = int(self.texts.of_row[row])
        if place < 0:
            return []
        rows = self.texts.first[self.neighbours.of(place)]
        return [its for its in rows.tolist() if tails[its] > USUAL][:NEAR]


def tell_of(
    grounds: Grounds,
    tails: NDArray[np.float64],
    fresh: NDArray[np.bool_],
    settings: AnomaliesSettings,
) -> Told:
    """Flag rows by their p-values (n,), and give these and the next unusual ones a reason.

    Args:
        grounds: What reasons are made from.
        tails: (n,) p-values.
        fresh: (n,) the rows of the newest partition, some of which are always told of.
        settings: How many rows are flagged.
    """
    alike = Alike.of(grounds.repeats.of_row, tails, ~grounds.known)
    may = candidates(tails, alike.stands, ~grounds.known, settings)
    told, seen = _first(grounds, alike, tails, may, most(len(tails), settings))
    flagged = len(told)
    for rows, count in ((tails < 1, EXPLAINED), (fresh & (tails < 1), NEW)):
        left = rows & alike.stands
        left[seen] = False
        have = sum(bool(rows[row]) for row in told)
        more, looked = _first(grounds, alike, tails, left, min(count, len(tails) // FEW) - have)
        told |= more
        seen += looked
    near = {row: grounds.near(row, tails) for row in told}
    return Told(told, near, flagged)


@dataclass(frozen=True)
class Alike:
    """Which of n rows are one entry: those of a group that is unusual.

    History and new rows are two groups, so that neither takes the other's entry. Rows that repeat
    each other are told apart all the same where most of them are usual: then it is not the text
    that is unusual.

    Attributes:
        group: (n,) the group that a row is told with, -1 for none.
        stands: (n,) the rows of no group, and of each group the one of the least p-value.
        rows: By group, its rows.
        before: By group, the rows of history that repeat it; 0 for a group of history.
    """

    group: NDArray[np.int64]
    stands: NDArray[np.bool_]
    rows: NDArray[np.int64]
    before: NDArray[np.int64]

    @classmethod
    def of(
        cls, of_row: NDArray[np.int64], tails: NDArray[np.float64], new: NDArray[np.bool_]
    ) -> Alike:
        """Part the groups of repeats (n,), -1 for none, by what is new, and keep the unusual."""
        sides = np.where(of_row >= 0, 2 * of_row + new, -1)
        size = 2 * (int(of_row.max(initial=-1)) + 1)
        rows = np.bincount(sides[sides >= 0], minlength=size)
        unusual = np.bincount(sides[(sides >= 0) & (tails <= USUAL)], minlength=size)
        group = np.where(np.append(2 * unusual >= rows, False)[sides], sides, -1)
        order = np.argsort(tails, kind="stable")
        _, first = np.unique(group[order], return_index=True)
        stands = group < 0
        stands[order[first]] = True
        before = np.zeros(size, np.int64)
        before[1::2] = rows[::2]
        return cls(group, stands, rows, before)

    def told(self, reason: str, rows: list[int]) -> str:
        """The first row's reason with how many are like it: its group, or these rows."""
        group = int(self.group[rows[0]])
        if group < 0:
            return _repeated(reason, len(rows) - 1, 0)
        before = int(self.before[group])
        return _repeated(reason, int(self.rows[group]) - 1 + before, before)


def _first(
    grounds: Grounds,
    alike: Alike,
    tails: NDArray[np.float64],
    may: NDArray[np.bool_],
    count: int,
) -> tuple[dict[int, str], list[int]]:
    """The first `count` of the rows that may be told of, by their p-values, with their reasons.

    Of rows that have nearly the same text and the same reason, the first is told of, and its
    reason says how many are like it. The rows that were looked at and are thereby told of, or are
    like one that is, come second.
    """
    found: dict[tuple[str, str, bool, int], list[int]] = {}
    for row in in_order(tails, may)[: max(count, 0) * SCANNED].tolist():
        core = essence(str(grounds.table.clean["text"][row]))
        key = core, grounds.reason(row), bool(grounds.known[row]), int(alike.group[row])
        if key not in found and len(found) == count:
            break
        found.setdefault(key, []).append(row)
    told = {rows[0]: alike.told(reason, rows) for (_, reason, _, _), rows in found.items()}
    return told, [row for rows in found.values() for row in rows]


def in_order(tails: NDArray[np.float64], rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The places of some of the rows, the least p-value first and ties in the rows' order."""
    places = np.flatnonzero(rows)
    return places[np.argsort(tails[places], kind="stable")]


def _repeated(reason: str, more: int, before: int) -> str:
    if not more:
        return reason
    rows = "1 more row is" if more == 1 else f"{more:,} more rows are"
    earlier = f", {before:,} of them before" if before else ""
    return f"{reason[:-1]} ({rows} like it{earlier})."
