"""Text against table: rows whose columns are not what their text makes one expect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.anomalies.evidence import Mismatch
from tasks.anomalies.tails import significant
from tasks.contracts import CATEGORY, NUMBER
from tasks.fuse.categories import MISSING, RARE
from tasks.fuse.deal import deal
from tasks.fuse.parts import Rows
from tasks.fuse.terms import Terms
from tasks.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tasks.anomalies.views import Table
    from tasks.texts.distinct import Texts

ENOUGH, DISTINCT = 200, 50
"""Known rows with a text, and distinct texts among them, from which on texts and tables are held
against each other."""
FOLDS, SEED = 5, 0
TERMS, DIRECTIONS = 20_000, 150
"""Terms of the texts, and their main directions, that stand beside the vectors."""
RIDGE = 0.1
"""The penalty, as a share of the mean variance of the features."""
LIKELY, TIMES = 0.5, 5
"""A value is suggested that is at least so probable, and so much more so than the one there is."""
STRANGE = 0.95
"""A number is told whose distance from the suggested one this share of the rows does not have."""


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

    def mismatch(self, row: int) -> Mismatch | None:
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
        odds = np.maximum(self.foretold[row, features] / self._unit(features), 0)
        shares = odds / max(float(odds.sum()), 1e-9)
        best, own = int(shares.argmax()), int(self.table.features[row, features].argmax())
        if shares[best] < max(LIKELY, TIMES * shares[own]) or names[best] in (MISSING, RARE):
            return None
        value = self._value(column, row)
        return Mismatch(_told(column), value, names[best], round(float(shares[best]), 3))

    def _unit(self, features: list[int]) -> float:
        """What a level's feature is where it is not 0."""
        return max(float(self.table.features[:, features].max()), 1e-9)

    def _value(self, column: str, row: int) -> str:
        value = self.table.clean[column][row] if column in self.table.clean.columns else None
        return "" if value is None else str(value)

    def _number(self, column: str, row: int) -> Mismatch | None:
        value = self._value(column, row)
        if not value or len(self._missed(column)) == 0:
            return None
        feature = self.columns[column][0]
        gap = abs(float(self.foretold[row, feature] - self.table.features[row, feature]))
        share = float(np.searchsorted(self._missed(column), gap) / len(self._missed(column)))
        if share < STRANGE:
            return None
        suggested = self._back(column, float(self.foretold[row, feature]))
        return Mismatch(_told(column), f"{float(value):.4g}", f"{suggested:.4g}", round(share, 3))

    def _missed(self, column: str) -> NDArray[np.float64]:
        """How far the known rows' numbers are from what their texts foretell, ascending."""
        return self._misses[column]

    @cached_property
    def _misses(self) -> dict[str, NDArray[np.float64]]:
        rows = self.known & ~np.isnan(self.scores)
        found = {}
        for column, features in self.columns.items():
            if column in self.table.clean.columns:
                filled = rows & self.table.clean[column].is_not_null().to_numpy()
                gaps = self.foretold[filled, features[0]] - self.table.features[filled, features[0]]
                found[column] = np.sort(np.abs(gaps.astype(np.float64)))
        return found

    def _back(self, column: str, place: float) -> float:
        """The number whose feature is at a place, by those that there are."""
        values = self.table.clean[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        there = np.isfinite(values)
        order = np.argsort(values[there], kind="stable")
        features = self.table.features[there, self.columns[column][0]][order]
        return float(np.interp(place, features, values[there][order]))


def _told(column: str) -> str:
    return column.partition(".")[2]


def match(texts: Texts, table: Table, known: NDArray[np.bool_]) -> Match | None:
    """Foretell the table from the text, and hold each row against what is foretold of it.

    Ridge regression foretells the table's features from the text's vector and the main directions
    of its terms. A column's surprise is how much farther its features are from what is foretold
    than from their mean. From the surprises, logistic regression tells rows from rows whose texts
    were shuffled among them, as noise-contrastive estimation does (Gutmann and Hyvärinen 2010),
    so that a column counts as much as texts tell of it. A row is never judged by a model that saw
    it or another row with its text: known rows are dealt into folds, and new ones see all of them.

    Args:
        texts: The m distinct texts of n rows.
        table: The n rows' other columns.
        known: (n,) the rows of history.

    Returns:
        None where no column varies, or fewer than `ENOUGH` known rows have a text, or too few
        distinct ones.
    """
    spoken = texts.of_row >= 0
    taught = known & spoken
    if taught.sum() < ENOUGH or len(np.unique(texts.of_row[taught])) < DISTINCT:
        return None
    if not np.ptp(table.features[taught], axis=0).any():
        return None
    with one_thread():
        splits = list(_splits(texts, taught))
        centred = table.features.astype(np.float64) - table.features[taught].mean(axis=0)
        foretold = _foretold(_read(texts, taught), centred, splits)
        columns = _columns(table)
        blame = _blame(centred, foretold, columns, splits)
    blame[~spoken] = np.nan
    scores = significant(blame.sum(axis=1))
    return Match(
        table,
        scores,
        np.nan_to_num(blame),
        columns,
        (foretold + table.features[taught].mean(axis=0)).astype(np.float32),
        known,
    )


Split = tuple["NDArray[np.int64]", "NDArray[np.int64]"]


def _splits(texts: Texts, taught: NDArray[np.bool_]) -> Iterator[Split]:
    """Rows that teach and rows that are judged by them, all rows with one text on one side."""
    fold = deal(np.zeros(len(texts), np.int64), FOLDS, SEED)[texts.of_row]
    for number in range(FOLDS):
        rows = np.flatnonzero(taught & (fold != number))
        yield rows, np.flatnonzero(taught & (fold == number))
    new = (texts.of_row >= 0) & ~taught
    if new.any():
        yield np.flatnonzero(taught), np.flatnonzero(new)


def _read(texts: Texts, taught: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n, f) features of the rows' texts; terms and their directions come from known texts."""
    from sklearn.decomposition import TruncatedSVD

    seen = np.zeros(len(texts), bool)
    seen[texts.of_row[taught]] = True
    rows = Rows(pl.DataFrame({"text": texts.texts}), texts.vectors)
    terms = Terms(TERMS)
    learnt = terms.fit_transform(rows.take(np.flatnonzero(seen)))
    features = texts.vectors.astype(np.float64)
    if min(learnt.shape) > DIRECTIONS:
        directions = TruncatedSVD(DIRECTIONS, n_iter=2, random_state=SEED).fit(learnt)
        features = np.hstack([features, directions.transform(terms.transform(rows))])
    return features[texts.of_row]


def _foretold(
    features: NDArray[np.float64], wanted: NDArray[np.float64], splits: list[Split]
) -> NDArray[np.float64]:
    from sklearn.linear_model import Ridge

    found = np.zeros_like(wanted)
    for teach, judge in splits:
        known = features[teach]
        penalty = RIDGE * len(teach) * float(known.var(axis=0).mean())
        model = Ridge(alpha=max(penalty, 1e-9), solver="cholesky").fit(known, wanted[teach])
        found[judge] = model.predict(features[judge]).reshape(len(judge), -1)
    return found


def _columns(table: Table) -> dict[str, list[int]]:
    """The features of each column of the clean table."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(table.names):
        block, _, rest = name.partition(".")
        column = rest.partition(" = ")[0].removesuffix(" is missing")
        prefix = CATEGORY if block == "categories" else NUMBER
        found.setdefault(prefix + column, []).append(place)
    return found


def _blame(
    centred: NDArray[np.float64],
    foretold: NDArray[np.float64],
    columns: dict[str, list[int]],
    splits: list[Split],
) -> NDArray[np.float64]:
    """(n, k) what each column adds to the odds that a row's text belongs to another row."""
    from sklearn.linear_model import LogisticRegression

    taught = np.sort(np.concatenate([judge for _, judge in splits[:FOLDS]]))
    other = np.arange(len(centred))
    other[taught] = np.random.default_rng(SEED).permutation(taught)
    true = _surprise(centred, foretold, columns)
    false = _surprise(centred, foretold[other], columns)
    scale = np.maximum(true[taught].std(axis=0), 1e-9)
    found = np.zeros_like(true)
    for teach, judge in splits:
        rows = np.vstack([true[teach], false[teach]]) / scale
        truth = np.repeat([0, 1], len(teach))
        weights = LogisticRegression(max_iter=500).fit(rows, truth).coef_[0]
        found[judge] = true[judge] / scale * np.maximum(weights, 0)
    return found


def _surprise(
    centred: NDArray[np.float64], foretold: NDArray[np.float64], columns: dict[str, list[int]]
) -> NDArray[np.float64]:
    gains = (centred - foretold) ** 2 - centred**2
    return np.column_stack([gains[:, places].sum(axis=1) for places in columns.values()])
