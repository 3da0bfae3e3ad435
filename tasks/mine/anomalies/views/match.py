"""Text against table: rows whose columns are not what their text makes one expect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.anomalies.views.expected import Expected
from fusemine.tasks.mine.anomalies.views.table_prediction import (
    SEED,
    Foreteller,
    Reader,
    Split,
    blocks,
    splits_of,
)
from fusemine.tasks.mine.anomalies.views.view import View
from fusemine.tasks.stats.p_values import FittedTail, significant
from fusemine.tasks.stats.sampling import evenly
from fusemine.tasks.stats.threads import one_thread
from fusemine.tasks.table.roles import CATEGORY, NUMBER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.reasons.evidence import Astray, Mismatch
    from fusemine.tasks.mine.anomalies.views.view import Table
    from fusemine.tasks.text.distinct import Texts

ENOUGH, DISTINCT = 200, 50
"""Known rows with a text, and distinct texts among them, from which on texts and tables are held
against each other."""
MOST_TAUGHT = 50_000
"""Rows that teach; of more, so many that are evenly spread."""


@storable
@dataclass(frozen=True)
class MatchDetector:
    """What the known rows taught of how text and table go together.

    Attributes:
        reader: Reads the texts.
        foreteller: Foretells the features, taught by all known rows.
        columns: The features (t,) of each of the k columns, by its name with its prefix.
        scale: (k,) what a column's surprise is divided by.
        weights: (k,) how much a column's surprise counts.
        tail: How rare a score is.
        expected: What is told of a row is taken from this.
    """

    reader: Reader
    foreteller: Foreteller
    columns: dict[str, list[int]]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    tail: FittedTail
    expected: Expected

    def match(self, texts: Texts, table: Table) -> Match:
        """Hold n new rows against what their texts foretell."""
        with one_thread():
            rows = np.flatnonzero(texts.of_row >= 0)
            foretold = np.zeros(table.features.shape, np.float32)
            self.foreteller.foretell(self.reader.read(texts), rows, foretold)
            told = _Told(table.features, foretold, self.foreteller.mean, self.columns)
            blame = np.full((len(foretold), len(self.columns)), np.nan)
            blame[rows] = self.blame(told.surprise(rows, rows))
        return Match.of(self, table, blame, foretold)

    def blame(self, surprise: NDArray[np.float64]) -> NDArray[np.float64]:
        """(r, k) what each column adds to the odds that a row's text belongs to another row."""
        return surprise / self.scale * self.weights


@dataclass(frozen=True)
class Match:
    """How badly text and table of n rows go together.

    Attributes:
        detector: By what that is judged.
        table: The columns besides the text.
        scores: (n,) the logarithm of the odds that the row's text belongs to another row; NaN
            without a text.
        blame: (n, k) what each of the k columns adds to it.
        foretold: (n, c) the features as the text foretells them.
    """

    detector: MatchDetector
    table: Table
    scores: NDArray[np.float64]
    blame: NDArray[np.float64]
    foretold: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        detector: MatchDetector,
        table: Table,
        blame: NDArray[np.float64],
        foretold: NDArray[np.float32],
    ) -> Match:
        """`blame` is NaN for a row without text."""
        scores = significant(blame.sum(axis=1))
        return cls(detector, table, scores, np.nan_to_num(blame), foretold)

    def view(self, known: NDArray[np.bool_]) -> View:
        """How rare the scores are; the known rows (n,) count as seen."""
        return View(self.detector.tail.p_values(self.scores, known))

    def mismatch(self, row: int) -> Mismatch | Astray | None:
        """The column that contradicts a row's text most, or None where none does clearly."""
        names, expected = list(self.detector.columns), self.detector.expected
        told = self.foretold[row], self.table.features[row]
        for place in np.argsort(-self.blame[row], kind="stable").tolist():
            if self.blame[row, place] <= 0:
                return None
            if (found := expected.against(names[place], self.table.clean, row, *told)) is not None:
                return found
        return None


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
        return _matched(texts, table, known, teach)


def _matched(
    texts: Texts, table: Table, known: NDArray[np.bool_], teach: NDArray[np.int64]
) -> Match:
    spoken = texts.of_row >= 0
    splits = list(splits_of(texts, known & spoken, teach))
    mean = table.features[teach].mean(axis=0, dtype=np.float64)
    reader, columns = Reader.of(texts, teach), _columns(table)
    read, foretold = reader.read(texts), np.zeros(table.features.shape, np.float32)
    for fold, judge in splits:
        Foreteller.of(read, table.features, mean, fold).foretell(read, judge, foretold)
    whole = Foreteller.of(read, table.features, mean, teach)
    new = np.flatnonzero(spoken & ~known)
    whole.foretell(read, new, foretold)
    blame, scale, weights = _blame(
        _Told(table.features, foretold, mean, columns), [*splits, (teach, new)], teach
    )
    blame[~spoken] = np.nan
    expected = Expected.of(table, foretold, columns, known, spoken)
    nothing = FittedTail.of(np.empty(0))
    detector = MatchDetector(reader, whole, columns, scale, weights, nothing, expected)
    scores = Match.of(detector, table, blame, foretold).scores
    detector = replace(detector, tail=FittedTail.of(scores[known & spoken]))
    return Match.of(detector, table, blame, foretold)


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


def _blame(
    told: _Told, splits: list[Split], teach: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(n, k) the blame of each column, and the last split's scale (k,) and weights (k,)."""
    from sklearn.linear_model import LogisticRegression

    every = np.arange(len(told.features))
    other = every.copy()
    other[teach] = np.random.default_rng(SEED).permutation(teach)
    true = told.surprise(every, every)
    scale = np.maximum(true[teach].std(axis=0), 1e-9)
    found, weights = np.zeros_like(true), np.zeros(len(scale))
    for its, judge in splits:
        rows = np.vstack([true[its], told.surprise(its, other[its])]) / scale
        truth = np.repeat([0, 1], len(its))
        model: Any = LogisticRegression(max_iter=500).fit(rows, truth)
        weights = np.maximum(model.coef_[0], 0)
        found[judge] = true[judge] / scale * weights
    return found, scale, weights
