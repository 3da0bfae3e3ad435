"""Rows by their numbers and categories: far from the nearest rows, and quickly isolated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.numbers import NumberScaler
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.anomalies.views.row_neighbours import KthNeighbour, SparseNeighbours
from fusemine.tasks.mine.anomalies.views.view import Table, View, absent, evenly_chosen
from fusemine.tasks.stats.p_values import FittedTail, combine_p_values, round_significant
from fusemine.tasks.table.roles import NUMBER

if TYPE_CHECKING:
    from fusemine.tasks.mine.anomalies.views.view import Flags, Floats, Vectors

BY_RANKS, BY_RANGES = 20, 10
"""Which neighbour counts, by the numbers' ranks and by their robust ranges."""
MAX_REFERENCES = 5_000
"""Neighbours are sought among at most this many rows, evenly spread."""
SEED = 0


@storable
@dataclass(frozen=True)
class RobustRanges:
    """The number columns in robust ranges, divided by their common spread.

    Attributes:
        scaler: Their scales.
        spread: What they are divided by, above 0.
        references: (r, k) the ranges of the rows that others are compared with.
        forest: An isolation forest of the ranges.
    """

    scaler: NumberScaler
    spread: float
    references: Vectors
    forest: Any


@storable
@dataclass(frozen=True)
class TableDetector:
    """What was learned from the known rows' numbers and categories.

    Attributes:
        references: (r, c) the features of the rows that others are compared with.
        levels: The places of the categories among the c features.
        ranges: The numbers in robust ranges; None where no number varies.
        tails: How rare each of the scores is, by its name.
    """

    references: Vectors
    levels: list[int]
    ranges: RobustRanges | None
    tails: dict[str, FittedTail]

    def scores(self, table: Table, itself: Flags | None = None) -> dict[str, Floats]:
        """By name, how unusual n rows are, each (n,), to 6 significant digits.

        Args:
            table: The rows.
            itself: (n,) which of them are references; None where none is, which is quicker.
        """
        ranges = self.ranges
        numbers = None if ranges is None else _ranges(ranges.scaler, table.clean, ranges.spread)
        rows = self._rows(table.features, numbers)
        if itself is None:
            distances = self._sparse.distances(rows)
        else:
            both = zip(self._neighbours, rows, strict=True)
            distances = [by.distances(its, itself) for by, its in both]
        found = dict(zip(("few near, by ranks", "few near, by ranges"), distances, strict=False))
        if ranges is not None:
            found["isolated"] = round_significant(-ranges.forest.score_samples(numbers))
        return found

    def view(self, scores: dict[str, Floats], known: Flags) -> View:
        """How rare the `scores` of n rows are; the known ones (n,) count as seen."""
        found = {name: self.tails[name].p_values(its, known) for name, its in scores.items()}
        return View(combine_p_values(list(found.values())), detectors=found)

    def _rows(self, features: Vectors, numbers: Vectors | None) -> list[Vectors]:
        """The rows by ranks, and by ranges where there are some, the levels last."""
        levels = features[:, self.levels]
        own = np.delete(features, self.levels, axis=1)
        return [np.hstack([its, levels]) for its in (own, numbers) if its is not None]

    @cached_property
    def _neighbours(self) -> list[KthNeighbour]:
        numbers = None if self.ranges is None else self.ranges.references
        rows = self._rows(self.references, numbers)
        return [KthNeighbour(its, k) for its, k in zip(rows, (BY_RANKS, BY_RANGES), strict=False)]

    @cached_property
    def _sparse(self) -> SparseNeighbours:
        return SparseNeighbours.of(self._neighbours, len(self.levels))


def table_view(table: Table, known: Flags) -> tuple[View, TableDetector | None]:
    """Rows far from the rows nearest to them, and rows that few questions isolate.

    Nearness is measured twice, by the features as they are and with the numbers in robust ranges,
    where a number far out stays far out. An isolation forest (Liu et al. 2008) reads numbers
    alone: it hardly splits by single levels.

    Args:
        table: The n rows.
        known: (n,) the rows of history, from which alone is learned.

    Returns:
        The view of the n rows, and what was learned; None where there is no view.
    """
    features = table.features
    if not features.size or not np.ptp(features[known], axis=0).any():
        note = "no column varies" if features.shape[1] else "no numbers and categories"
        return absent(len(features), note), None
    references = evenly_chosen(known, MAX_REFERENCES)
    levels = [i for i, name in enumerate(table.names) if " = " in name]
    ranges = _fit_ranges(table.clean, known)
    detector = TableDetector(features[references], levels, ranges, {})
    # The tails are fitted to the scores of the known rows, which the references are among.
    scores = detector.scores(table, np.isin(np.arange(len(features)), references))
    tails = {name: FittedTail.fit(its[known]) for name, its in scores.items()}
    detector = replace(detector, tails=tails)
    return detector.view(scores, known), detector


def _fit_ranges(clean: pl.DataFrame, known: Flags) -> RobustRanges | None:
    from sklearn.ensemble import IsolationForest

    rows = clean.filter(pl.Series(known))
    scaler = NumberScaler(FuseSettings(scaling="robust"))
    found = scaler.fit_transform(Rows.without_vectors(rows))
    spread = float(np.sqrt(found.var(axis=0, dtype=np.float64).sum()))
    if not spread > 0:
        return None
    forest = IsolationForest(random_state=SEED).fit(_ranges(scaler, rows, spread))
    references = _ranges(scaler, clean[evenly_chosen(known, MAX_REFERENCES)], spread)
    return RobustRanges(scaler, spread, references, forest)


def _ranges(scaler: NumberScaler, clean: pl.DataFrame, spread: float) -> Vectors:
    """The ranges of any rows (n, k)."""
    columns = clean.select(NUMBER + name for name in scaler.names)
    return np.asarray(scaler.transform(Rows.without_vectors(columns)) / spread, np.float32)
