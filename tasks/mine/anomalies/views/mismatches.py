"""What a text suggests of a column, where the table has something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.categories import MISSING, RARE
from fusemine.tasks.mine.anomalies.evidence import CategoryMismatch, NumberMismatch
from fusemine.tasks.table.roles import NUMBER

if TYPE_CHECKING:
    from fusemine.tasks.mine.anomalies.views.view import Flags, Floats, Table, Vectors

LIKELY, TIMES = 0.5, 5
"""A level is suggested that is at least so probable, and so much more so than the row's own."""
FAR = 0.95
"""A number is a mismatch that is farther from the suggested one than this share of the rows'."""
MAX_PROBABILITY = 0.99
"""The most that is reported as probable: a prediction is a regression's guess."""


@storable
@dataclass(frozen=True)
class CategoryMismatches:
    """A column of categories as features.

    Attributes:
        features: Their places among the table's features.
        names: The level of each.
        unit: What a level's feature is where it is not 0.
    """

    features: list[int]
    names: list[str]
    unit: float

    @classmethod
    def of(cls, table: Table, places: list[int], known: Flags) -> CategoryMismatches:
        """Read the levels of the features at some places; `known` (n,) are the rows of history."""
        names = [table.names[place].partition(" = ")[2] for place in places]
        # Column by column: of all of them at once a large copy would be made.
        largest = (float(table.features[known, place].max()) for place in places)
        return cls(places, names, max(*largest, 1e-9))

    def find(
        self, column: str, value: str, predicted: Vectors, features: Vectors
    ) -> CategoryMismatch | None:
        """What a row's text suggests instead of its value; None where it suggests no other."""
        odds = np.maximum(predicted[self.features] / self.unit, 0)
        shares = odds / max(float(odds.sum()), 1e-9)
        best, own = int(shares.argmax()), int(features[self.features].argmax())
        suggested = self.names[best]
        if shares[best] < max(LIKELY, TIMES * shares[own]) or suggested in (MISSING, RARE):
            return None
        probability = min(round(float(shares[best]), 3), MAX_PROBABILITY)
        return CategoryMismatch(column, value, suggested, probability)


@storable
@dataclass(frozen=True)
class NumberMismatches:
    """A column of numbers as a feature.

    Attributes:
        feature: Its place among the table's features.
        misses: How far the known rows' features are from what their texts predict, ascending.
        places, values: The features of the known rows' numbers, and these, ascending.
    """

    feature: int
    misses: Floats
    places: Vectors
    values: Floats

    @classmethod
    def of(
        cls,
        table: Table,
        column: str,
        place: int,
        predicted: Vectors,
        known: Flags,
        with_text: Flags,
    ) -> NumberMismatches:
        """Learn how far predictions miss, and which number each feature stands for.

        Args:
            table: The n rows.
            column: The column, with its prefix.
            place: That of its feature among the table's.
            predicted: (n,) the feature as the texts predict it.
            known: (n,) the rows of history.
            with_text: (n,) the rows with a text.
        """
        features = table.features[:, place]
        filled = known & with_text & table.clean[column].is_not_null().to_numpy()
        gaps = predicted[filled] - features[filled]
        values = table.clean[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        there = np.flatnonzero(known & np.isfinite(values))
        there = there[np.argsort(values[there], kind="stable")]
        # Each pair of feature and number is kept once: predictions are interpolated between them.
        pairs = features[there], values[there]
        new = np.ones(len(there), bool)
        new[1:] = (np.diff(pairs[0]) != 0) | (np.diff(pairs[1]) != 0)
        misses = np.sort(np.abs(gaps.astype(np.float64)))
        return cls(place, misses, pairs[0][new], pairs[1][new])

    def find(
        self, column: str, value: str, predicted: Vectors, features: Vectors
    ) -> NumberMismatch | None:
        """What a row's text suggests instead of its number; None where it suggests no other."""
        if not value or not len(self.misses):
            return None
        # Of two float32 as the misses are, so that a known row is found among them.
        gap = float(abs(predicted[self.feature] - features[self.feature]))
        size = len(self.misses)
        closer = int(np.searchsorted(self.misses, gap))
        if closer < FAR * size:
            return None
        suggested = float(np.interp(float(predicted[self.feature]), self.places, self.values))
        return NumberMismatch(column, float(value), suggested, closer / size, size)


def fit_mismatches(
    table: Table, predicted: Vectors, columns: dict[str, list[int]], known: Flags, with_text: Flags
) -> dict[str, CategoryMismatches | NumberMismatches]:
    """Learn what counts as a mismatch, by the names of the columns with their prefix.

    Args:
        table: The n rows.
        predicted: (n, c) the features as the texts predict them.
        columns: The features of each column.
        known: (n,) the rows of history.
        with_text: (n,) the rows with a text.
    """
    found: dict[str, CategoryMismatches | NumberMismatches] = {}
    for name, places in columns.items():
        if not name.startswith(NUMBER):
            found[name] = CategoryMismatches.of(table, places, known)
        elif name in table.clean.columns:
            its = predicted[:, places[0]]
            found[name] = NumberMismatches.of(table, name, places[0], its, known, with_text)
    return found
