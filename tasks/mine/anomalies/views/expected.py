"""What a text suggests of a column, where the table says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.categories import MISSING, RARE
from fusemine.tasks.mine.anomalies.reasons.evidence import Astray, Mismatch
from fusemine.tasks.table.roles import NUMBER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.views.view import Table

LIKELY, TIMES = 0.5, 5
"""A value is suggested that is at least so probable, and so much more so than the one there is."""
STRANGE = 0.95
"""A number is told whose distance from the suggested one this share of the rows does not have."""
CERTAIN = 0.99
"""The most that is said to be probable: what is foretold is a regression's guess."""


@storable
@dataclass(frozen=True)
class Levels:
    """A column of categories as features.

    Attributes:
        features: Their places among the table's features.
        names: The level that each stands for.
        unit: What a level's feature is where it is not 0.
    """

    features: list[int]
    names: list[str]
    unit: float

    def against(
        self, column: str, value: str, foretold: NDArray[np.float32], features: NDArray[np.float32]
    ) -> Mismatch | None:
        """What a row's text suggests instead of its value."""
        odds = np.maximum(foretold[self.features] / self.unit, 0)
        shares = odds / max(float(odds.sum()), 1e-9)
        best, own = int(shares.argmax()), int(features[self.features].argmax())
        suggested = self.names[best]
        if shares[best] < max(LIKELY, TIMES * shares[own]) or suggested in (MISSING, RARE):
            return None
        return Mismatch(column, value, suggested, min(round(float(shares[best]), 3), CERTAIN))


@storable
@dataclass(frozen=True)
class Scale:
    """A column of numbers as a feature.

    Attributes:
        feature: Its place among the table's features.
        misses: How far the known rows' features are from what their texts foretell, ascending.
        places, values: The features of the known rows' numbers, and these, ascending.
    """

    feature: int
    misses: NDArray[np.float64]
    places: NDArray[np.float32]
    values: NDArray[np.float64]

    def against(
        self, column: str, value: str, foretold: NDArray[np.float32], features: NDArray[np.float32]
    ) -> Astray | None:
        """What a row's text suggests instead of its number."""
        if not value or not len(self.misses):
            return None
        # Of two float32 as the misses are, so that a known row is found among them.
        gap = float(abs(foretold[self.feature] - features[self.feature]))
        size = len(self.misses)
        closer = int(np.searchsorted(self.misses, gap))
        if closer < STRANGE * size:
            return None
        suggested = float(np.interp(float(foretold[self.feature]), self.places, self.values))
        return Astray(column, float(value), suggested, closer / size, size)


@storable
@dataclass(frozen=True)
class Expected:
    """The columns of the table, by their names with their prefix."""

    categories: dict[str, Levels]
    numbers: dict[str, Scale]

    @classmethod
    def of(
        cls,
        table: Table,
        foretold: NDArray[np.float32],
        columns: dict[str, list[int]],
        known: NDArray[np.bool_],
        spoken: NDArray[np.bool_],
    ) -> Expected:
        """Learn what is told of a row.

        Args:
            table: The n rows.
            foretold: (n, c) the features as the texts foretell them.
            columns: The features of each column.
            known: (n,) the rows of history.
            spoken: (n,) the rows with a text.
        """
        numbers = {
            name: _scale(table, foretold[:, places[0]], name, places[0], (known, spoken))
            for name, places in columns.items()
            if name.startswith(NUMBER) and name in table.clean.columns
        }
        categories = {
            name: _levels(table, places, known)
            for name, places in columns.items()
            if not name.startswith(NUMBER)
        }
        return cls(categories, numbers)

    def against(
        self,
        column: str,
        clean: pl.DataFrame,
        row: int,
        foretold: NDArray[np.float32],
        features: NDArray[np.float32],
    ) -> Mismatch | Astray | None:
        """What a row's text suggests against one of its columns, or None.

        Args:
            column: The column with its prefix.
            clean: The clean table.
            row: The row's place in it.
            foretold: (c,) its features as the text foretells them.
            features: (c,) its features.
        """
        kind = self.numbers.get(column) or self.categories.get(column)
        if kind is None:
            return None
        value = clean[column][row] if column in clean.columns else None
        told = "" if value is None else str(value)
        return kind.against(column.partition(".")[2], told, foretold, features)


def _levels(table: Table, places: list[int], known: NDArray[np.bool_]) -> Levels:
    names = [table.names[place].partition(" = ")[2] for place in places]
    # Column by column: of all of them at once a large copy would be made.
    largest = (float(table.features[known, place].max()) for place in places)
    return Levels(places, names, max(*largest, 1e-9))


def _scale(
    table: Table,
    foretold: NDArray[np.float32],
    column: str,
    place: int,
    rows: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> Scale:
    known, spoken = rows
    features = table.features[:, place]
    filled = known & spoken & table.clean[column].is_not_null().to_numpy()
    gaps = foretold[filled] - features[filled]
    values = table.clean[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    there = np.flatnonzero(known & np.isfinite(values))
    there = there[np.argsort(values[there], kind="stable")]
    pairs = features[there], values[there]
    new = np.ones(len(there), bool)
    new[1:] = (np.diff(pairs[0]) != 0) | (np.diff(pairs[1]) != 0)
    misses = np.sort(np.abs(gaps.astype(np.float64)))
    return Scale(place, misses, pairs[0][new], pairs[1][new])
