"""Text against table: rows whose columns are not what their text makes one expect."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tasks.anomalies.evidence import Astray, Mismatch
from tasks.anomalies.foretell import SEED, Read, Split, blocks, foretell, splits_of
from tasks.anomalies.tails import significant
from tasks.contracts import CATEGORY, NUMBER
from tasks.fuse.categories import MISSING, RARE
from tasks.sampling import evenly
from tasks.threads import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.anomalies.views import Table
    from tasks.texts.distinct import Texts

ENOUGH, DISTINCT = 200, 50
"""Known rows with a text, and distinct texts among them, from which on texts and tables are held
against each other."""
MOST_TAUGHT = 50_000
"""Rows that teach; of more, so many that are evenly spread."""
LIKELY, TIMES = 0.5, 5
"""A value is suggested that is at least so probable, and so much more so than the one there is."""
STRANGE = 0.95
"""A number is told whose distance from the suggested one this share of the rows does not have."""
CERTAIN = 0.99
"""The most that is said to be probable: what is foretold is a regression's guess."""


@dataclass(frozen=True)
class Match:
    """How badly text and table of n rows go together.

    Attributes:
        table: The columns besides the text.
        scores: (n,) the logarithm of the odds that the row's text belongs to another row; NaN
            without a text.
        blame: (n, k) what each of the k columns adds to it.
        columns: (k,) their names with their prefix, and the features (t,) that each has.
        foretold: (n, c) the features as the text foretells them.
        known: (n,) the rows that taught.
    """

    table: Table
    scores: NDArray[np.float64]
    blame: NDArray[np.float64]
    columns: dict[str, list[int]]
    foretold: NDArray[np.float32]
    known: NDArray[np.bool_]
    _units: dict[str, float] = field(default_factory=dict)
    _places: dict[str, tuple[NDArray[np.float32], NDArray[np.float64]]] = field(
        default_factory=dict
    )

    def mismatch(self, row: int) -> Mismatch | Astray | None:
        """The column that contradicts a row's text most, or None where none does clearly."""
        names = list(self.columns)
        for place in np.argsort(-self.blame[row], kind="stable").tolist():
            if self.blame[row, place] <= 0:
                return None
            kind = self._number if names[place].startswith(NUMBER) else self._category
            if (found := kind(names[place], row)) is not None:
                return found
        return None

    def _category(self, column: str, row: int) -> Mismatch | None:
        features = self.columns[column]
        names = [self.table.names[i].partition(" = ")[2] for i in features]
        odds = np.maximum(self.foretold[row, features] / self._unit(column), 0)
        shares = odds / max(float(odds.sum()), 1e-9)
        best, own = int(shares.argmax()), int(self.table.features[row, features].argmax())
        if shares[best] < max(LIKELY, TIMES * shares[own]) or names[best] in (MISSING, RARE):
            return None
        probability = min(round(float(shares[best]), 3), CERTAIN)
        return Mismatch(_told(column), self._value(column, row), names[best], probability)

    def _unit(self, column: str) -> float:
        """What a level's feature is where it is not 0."""
        if column not in self._units:
            parts = (self.table.features[self.known, i].max() for i in self.columns[column])
            self._units[column] = max(*map(float, parts), 1e-9)
        return self._units[column]

    def _value(self, column: str, row: int) -> str:
        value = self.table.clean[column][row] if column in self.table.clean.columns else None
        return "" if value is None else str(value)

    def _number(self, column: str, row: int) -> Astray | None:
        value = self._value(column, row)
        missed = self._misses.get(column, ())
        if not value or not len(missed):
            return None
        feature = self.columns[column][0]
        foretold = float(self.foretold[row, feature])
        # Of two float32 as in `_misses`, so that a known row is found among them.
        gap = float(abs(self.foretold[row, feature] - self.table.features[row, feature]))
        closer = int(np.searchsorted(missed, gap))
        if closer < STRANGE * len(missed):
            return None
        suggested = self._back(column, foretold)
        return Astray(_told(column), float(value), suggested, closer / len(missed), len(missed))

    @cached_property
    def _misses(self) -> dict[str, NDArray[np.float64]]:
        """How far the known rows' numbers are from what their texts foretell, ascending."""
        rows = self.known & ~np.isnan(self.scores)
        found = {}
        for column, features in self.columns.items():
            if column in self.table.clean.columns:
                filled = rows & self.table.clean[column].is_not_null().to_numpy()
                place = features[0]
                gaps = self.foretold[filled, place] - self.table.features[filled, place]
                found[column] = np.sort(np.abs(gaps.astype(np.float64)))
        return found

    def _back(self, column: str, place: float) -> float:
        """The number whose feature is at a place, by those that the known rows have."""
        if column not in self._places:
            values = self.table.clean[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            there = np.flatnonzero(self.known & np.isfinite(values))
            there = there[np.argsort(values[there], kind="stable")]
            features = self.table.features[there, self.columns[column][0]]
            self._places[column] = features, values[there]
        return float(np.interp(place, *self._places[column]))


def _told(column: str) -> str:
    return column.partition(".")[2]


def match(texts: Texts, table: Table, known: NDArray[np.bool_]) -> Match | None:
    """Foretell the table from the text, and hold each row against what is foretold of it.

    Ridge regression foretells the table's features from the text's vector and the main directions
    of its terms. A column's surprise is how much farther its features are from what is foretold
    than from their mean. From the surprises, logistic regression tells rows from rows whose texts
    were shuffled among them, as noise-contrastive estimation does (Gutmann and Hyvärinen 2010),
    so that a column counts as much as texts tell of it. Known rows are dealt into folds by their
    texts and judged by a model that saw no row with their text; new rows are judged by a model of
    all known ones, those with their text among them, and teach nothing.

    Args:
        texts: The m distinct texts of n rows.
        table: The n rows' other columns.
        known: (n,) the rows of history, of which at most `MOST_TAUGHT` teach.

    Returns:
        None where no column varies, or fewer than `ENOUGH` known rows have a text, or too few
        distinct ones.
    """
    spoken = texts.of_row >= 0
    taught = known & spoken
    if taught.sum() < ENOUGH or len(np.unique(texts.of_row[taught])) < DISTINCT:
        return None
    teach = np.flatnonzero(taught)
    teach = teach[evenly(len(teach), MOST_TAUGHT)]
    if not np.ptp(table.features[teach], axis=0).any():
        return None
    with one_thread():
        splits = list(splits_of(texts, taught, teach))
        mean = table.features[teach].mean(axis=0, dtype=np.float64)
        foretold = foretell(Read.of(texts, teach), table.features, mean, splits)
        columns = _columns(table)
        blame = _blame(_Told(table.features, foretold, mean, columns), splits, teach)
    blame[~spoken] = np.nan
    scores = significant(blame.sum(axis=1))
    return Match(table, scores, np.nan_to_num(blame), columns, foretold, known)


def _columns(table: Table) -> dict[str, list[int]]:
    """The features of each column of the clean table."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(table.names):
        block, _, rest = name.partition(".")
        column = rest.partition(" = ")[0].removesuffix(" is missing")
        prefix = CATEGORY if block == "categories" else NUMBER
        found.setdefault(prefix + column, []).append(place)
    return found


@dataclass(frozen=True)
class _Told:
    """The table's features (n, c), what the texts foretell of them, their mean (c,), by column."""

    features: NDArray[np.float32]
    foretold: NDArray[np.float32]
    mean: NDArray[np.float64]
    columns: dict[str, list[int]]

    def surprise(self, rows: NDArray[np.int64], told: NDArray[np.int64]) -> NDArray[np.float64]:
        """(r, k) how much worse than the mean the texts of `told` foretell the rows."""
        found = np.empty((len(rows), len(self.columns)))
        for block in blocks(np.arange(len(rows))):
            centred = self.features[rows[block]] - self.mean
            gains = (centred - (self.foretold[told[block]] - self.mean)) ** 2 - centred**2
            for k, places in enumerate(self.columns.values()):
                found[block, k] = gains[:, places].sum(axis=1)
        return found


def _blame(told: _Told, splits: list[Split], teach: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, k) what each column adds to the odds that a row's text belongs to another row."""
    from sklearn.linear_model import LogisticRegression

    every = np.arange(len(told.features))
    other = every.copy()
    other[teach] = np.random.default_rng(SEED).permutation(teach)
    true = told.surprise(every, every)
    scale = np.maximum(true[teach].std(axis=0), 1e-9)
    found = np.zeros_like(true)
    for its, judge in splits:
        rows = np.vstack([true[its], told.surprise(its, other[its])]) / scale
        truth = np.repeat([0, 1], len(its))
        model: Any = LogisticRegression(max_iter=500).fit(rows, truth)
        found[judge] = true[judge] / scale * np.maximum(model.coef_[0], 0)
    return found
