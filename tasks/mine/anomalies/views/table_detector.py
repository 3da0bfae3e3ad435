"""Rows by their numbers and categories: far from the nearest rows, and quickly singled out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.numbers import Numbers
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.anomalies.stored import Stored
from fusemine.tasks.mine.anomalies.views.mahalanobis import Apart, referred
from fusemine.tasks.mine.anomalies.views.sparse_neighbours import Quick
from fusemine.tasks.mine.anomalies.views.view import Table, View, absent
from fusemine.tasks.stats.p_values import FittedTail, joined, significant
from fusemine.tasks.table.roles import NUMBER

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLACES, RANGES = 20, 10
"""Which neighbour counts, by the numbers' ranks and by their robust ranges."""
SEED = 0


@storable
@dataclass(frozen=True)
class Ranges:
    """The number columns in robust ranges, together with the spread of one feature.

    Attributes:
        part: Their scales.
        spread: What they are divided by, above 0.
        references: (r, k) the ranges of the rows that others are held against.
        forest: An isolation forest of the ranges.
    """

    part: Numbers
    spread: float
    references: NDArray[np.float32]
    forest: Any

    def of(self, clean: pl.DataFrame) -> NDArray[np.float32]:
        """The ranges of any rows (n, k)."""
        return _scaled(self.part, clean, self.spread)


@storable
@dataclass(frozen=True)
class TableDetector(Stored):
    """What the known rows' numbers and categories taught.

    Attributes:
        references: (r, c) the features of the rows that others are held against.
        levels: The places of the categories among the c features.
        ranges: The numbers by robust ranges; None where no number varies.
        tails: How rare each of the scores is, by its name.
    """

    references: NDArray[np.float32]
    levels: list[int]
    ranges: Ranges | None
    tails: dict[str, FittedTail]

    def scores(self, table: Table, itself: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
        """By name, how unusual n rows are, each (n,); `itself` (n,) are among the references."""
        rows = self._rows(table.features, self._numbers(table))
        distances = [
            apart.distances(its, itself) for apart, its in zip(self._aparts, rows, strict=True)
        ]
        return self._named(distances, rows)

    def scores_of_new(self, table: Table) -> dict[str, NDArray[np.float64]]:
        """The `scores` of n rows that are no references, to 6 significant digits."""
        rows = self._rows(table.features, self._numbers(table))
        return self._named(self._quick.distances(rows), rows)

    def _named(
        self, distances: list[NDArray[np.float64]], rows: list[NDArray[np.float32]]
    ) -> dict[str, NDArray[np.float64]]:
        found = dict(zip(("few near, by ranks", "few near, by ranges"), distances, strict=False))
        if self.ranges is not None:
            numbers = rows[1][:, : self.ranges.references.shape[1]]
            found["isolated"] = significant(-self.ranges.forest.score_samples(numbers))
        return found

    def _numbers(self, table: Table) -> NDArray[np.float32] | None:
        return None if self.ranges is None else self.ranges.of(table.clean)

    def _rows(
        self, features: NDArray[np.float32], numbers: NDArray[np.float32] | None
    ) -> list[NDArray[np.float32]]:
        """The rows by ranks, and by ranges where there are some, the levels last."""
        levels = features[:, self.levels]
        own = np.delete(features, self.levels, axis=1)
        return [np.hstack([its, levels]) for its in (own, numbers) if its is not None]

    @cached_property
    def _aparts(self) -> list[Apart]:
        numbers = None if self.ranges is None else self.ranges.references
        rows = self._rows(self.references, numbers)
        return [Apart(its, count) for its, count in zip(rows, (PLACES, RANGES), strict=False)]

    @cached_property
    def _quick(self) -> Quick:
        return Quick.of(self._aparts, len(self.levels))

    def judge(self, scores: dict[str, NDArray[np.float64]], known: NDArray[np.bool_]) -> View:
        """How rare the `scores` of n rows are; the known ones (n,) count as seen."""
        found = {name: self.tails[name].p_values(its, known) for name, its in scores.items()}
        return View(joined(list(found.values())), detectors=found)


def table_view(table: Table, known: NDArray[np.bool_]) -> tuple[View, TableDetector | None]:
    """Rows far from the rows nearest to them, and rows that few questions single out.

    Nearness is measured twice, by the features as they are and with the numbers in robust ranges,
    where a number far out stays far out. An isolation forest (Liu et al. 2008) looks at numbers
    alone: it hardly asks after single levels. Known rows teach, `known` is (n,).
    """
    features = table.features
    if not features.size or not np.ptp(features[known], axis=0).any():
        wide = bool(features.shape[1])
        note = "no column varies" if wide else "no numbers and categories"
        return absent(len(features), note), None
    references = referred(known)
    levels = [i for i, name in enumerate(table.names) if " = " in name]
    detector = TableDetector(features[references], levels, _ranges(table.clean, known), {})
    scores = detector.scores(table, np.isin(np.arange(len(features)), references))
    tails = {name: FittedTail.of(its[known]) for name, its in scores.items()}
    detector = replace(detector, tails=tails)
    return detector.judge(scores, known), detector


def _ranges(clean: pl.DataFrame, known: NDArray[np.bool_]) -> Ranges | None:
    from sklearn.ensemble import IsolationForest

    rows = clean.filter(pl.Series(known))
    part = Numbers(FuseSettings(scaling="robust"))
    found = part.fit_transform(_rows(rows))
    spread = float(np.sqrt(found.var(axis=0, dtype=np.float64).sum()))
    if not spread > 0:
        return None
    forest = IsolationForest(random_state=SEED).fit(_scaled(part, rows, spread))
    references = _scaled(part, clean[referred(known)], spread)
    return Ranges(part, spread, references, forest)


def _scaled(part: Numbers, clean: pl.DataFrame, spread: float) -> NDArray[np.float32]:
    named = clean.select(NUMBER + name for name in part.names)
    return np.asarray(part.transform(_rows(named)) / spread, np.float32)


def _rows(clean: pl.DataFrame) -> Rows:
    return Rows(clean, np.empty((clean.height, 0), np.float32))
