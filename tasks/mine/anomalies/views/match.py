"""Text against table: rows whose columns are not what their text makes one expect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.anomalies.views.mismatches import (
    CategoryMismatches,
    NumberMismatches,
    fit_mismatches,
)
from fusemine.tasks.mine.anomalies.views.table_prediction import (
    SEED,
    Split,
    TablePredictor,
    TextFeaturizer,
    blocks,
    splits_of,
)
from fusemine.tasks.mine.anomalies.views.view import View, evenly_chosen
from fusemine.tasks.stats.p_values import FittedTail, round_significant
from fusemine.tasks.stats.threads import one_thread
from fusemine.tasks.table.roles import CATEGORY, NUMBER

if TYPE_CHECKING:
    from fusemine.tasks.mine.anomalies.evidence import CategoryMismatch, NumberMismatch
    from fusemine.tasks.mine.anomalies.views.view import Flags, Floats, Ints, Table, Vectors
    from fusemine.tasks.text.distinct import Texts

MIN_ROWS, MIN_TEXTS = 200, 50
"""Texts and tables are compared where so many known rows have a text, and so many distinct ones."""
MAX_TRAINING = 50_000
"""Models learn from at most this many rows, evenly spread."""


@storable
@dataclass(frozen=True)
class MatchDetector:
    """What was learned from the known rows of how text and table go together.

    Attributes:
        featurizer: Makes features of the texts.
        predictor: Predicts the table's features; fitted to all known rows.
        columns: The features (t,) of each of the k columns, by its name with its prefix.
        scale: (k,) what a column's surprise is divided by.
        weights: (k,) how much a column's surprise counts.
        tail: How rare a score is.
        mismatches: What a text may suggest against a column, by its name with its prefix.
    """

    featurizer: TextFeaturizer
    predictor: TablePredictor
    columns: dict[str, list[int]]
    scale: Floats
    weights: Floats
    tail: FittedTail
    mismatches: dict[str, CategoryMismatches | NumberMismatches]

    def score(self, texts: Texts, table: Table) -> Match:
        """Compare n new rows with what their texts predict."""
        with one_thread():
            rows = np.flatnonzero(texts.of_row >= 0)
            predicted = np.zeros(table.features.shape, np.float32)
            self.predictor.predict_into(predicted, self.featurizer.transform(texts), rows)
            found = _Predictions(table.features, predicted, self.predictor.mean, self.columns)
            contributions = np.full((len(predicted), len(self.columns)), np.nan)
            contributions[rows] = found.surprise(rows, rows) / self.scale * self.weights
        return Match(self, table, contributions, predicted)


@dataclass(frozen=True)
class Match:
    """How badly text and table of n rows go together.

    Attributes:
        detector: What the scores are from.
        table: The columns besides the text.
        contributions: (n, k) what each of the k columns adds to the score; NaN without a text.
        predicted: (n, c) the features as the text predicts them.
    """

    detector: MatchDetector
    table: Table
    contributions: Floats
    predicted: Vectors

    @cached_property
    def scores(self) -> Floats:
        """(n,) the logarithm of the odds that the row's text belongs to another row, or NaN."""
        return round_significant(self.contributions.sum(axis=1))

    def view(self, known: Flags) -> View:
        """How rare the scores are; the known rows (n,) count as seen."""
        return View(self.detector.tail.p_values(self.scores, known))

    def mismatch(self, row: int) -> CategoryMismatch | NumberMismatch | None:
        """The column that contradicts a row's text most, or None where none does clearly."""
        names, clean = list(self.detector.columns), self.table.clean
        both = self.predicted[row], self.table.features[row]
        added = np.nan_to_num(self.contributions[row])
        for place in np.argsort(-added, kind="stable").tolist():
            if added[place] <= 0:
                return None
            name = names[place]
            column = self.detector.mismatches.get(name)
            value = clean[name][row] if name in clean.columns else None
            shown = "" if value is None else str(value)
            if column and (found := column.find(name.partition(".")[2], shown, *both)):
                return found
        return None


def match_texts(texts: Texts, table: Table, known: Flags) -> Match | None:
    """Predict the table from the text, and compare each row with what is predicted of it.

    Ridge regression predicts the table's features from the text's vector and the main components
    of its TF-IDF. A column's surprise is how much farther its features are from the prediction
    than from their mean. From the surprises, logistic regression tells rows from rows whose texts
    were shuffled among them, as noise-contrastive estimation does (Gutmann and Hyvärinen 2010),
    so that a column counts as much as texts reveal of it. Known rows are put into folds by their
    texts and scored by a model that saw no row with their text; new rows are scored by a model of
    all known ones, those with their text among them, and no model learns from them.

    Args:
        texts: The m distinct texts of n rows.
        table: The n rows' other columns.
        known: (n,) the rows of history; models learn from at most `MAX_TRAINING` of them.

    Returns:
        None where no column varies, or fewer than `MIN_ROWS` known rows have a text, or too few
        distinct ones.
    """
    usable = known & (texts.of_row >= 0)
    if usable.sum() < MIN_ROWS or len(np.unique(texts.of_row[usable])) < MIN_TEXTS:
        return None
    training = evenly_chosen(usable, MAX_TRAINING)
    if not np.ptp(table.features[training], axis=0).any():
        return None
    with one_thread():
        return _matched(texts, table, known, training)


def _matched(texts: Texts, table: Table, known: Flags, training: Ints) -> Match:
    with_text = texts.of_row >= 0
    splits = list(splits_of(texts, known & with_text, training))
    mean = table.features[training].mean(axis=0, dtype=np.float64)
    featurizer, columns = TextFeaturizer.of(texts, training), _columns(table)
    features, predicted = featurizer.transform(texts), np.zeros(table.features.shape, np.float32)
    for fold, scored in splits:
        model = TablePredictor.of(features, table.features, mean, fold)
        model.predict_into(predicted, features, scored)
    whole = TablePredictor.of(features, table.features, mean, training)
    new = np.flatnonzero(with_text & ~known)
    whole.predict_into(predicted, features, new)
    found = _Predictions(table.features, predicted, mean, columns)
    contributions, scale, weights = _contributions(found, [*splits, (training, new)], training)
    contributions[~with_text] = np.nan
    mismatches = fit_mismatches(table, predicted, columns, known, with_text)
    # The tail is fitted to the scores of the known rows, which come first.
    unfitted = FittedTail.fit(np.empty(0))
    detector = MatchDetector(featurizer, whole, columns, scale, weights, unfitted, mismatches)
    match = Match(detector, table, contributions, predicted)
    tail = FittedTail.fit(match.scores[known & with_text])
    return replace(match, detector=replace(detector, tail=tail))


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
class _Predictions:
    """The table's features (n, c), what the texts predict of them, their mean (c,), by column."""

    features: Vectors
    predicted: Vectors
    mean: Floats
    columns: dict[str, list[int]]

    def surprise(self, rows: Ints, texts: Ints) -> Floats:
        """(r, k) how much worse than the mean the texts of some rows predict these rows."""
        found = np.empty((len(rows), len(self.columns)))
        for block in blocks(np.arange(len(rows))):
            centred = self.features[rows[block]] - self.mean
            gains = (centred - (self.predicted[texts[block]] - self.mean)) ** 2 - centred**2
            for k, places in enumerate(self.columns.values()):
                found[block, k] = gains[:, places].sum(axis=1)
        return found


def _contributions(
    found: _Predictions, splits: list[Split], training: Ints
) -> tuple[Floats, Floats, Floats]:
    """(n, k) what each column adds, and the last split's scale (k,) and weights (k,)."""
    from sklearn.linear_model import LogisticRegression

    every = np.arange(len(found.features))
    shuffled = every.copy()
    shuffled[training] = np.random.default_rng(SEED).permutation(training)
    true = found.surprise(every, every)
    scale = np.maximum(true[training].std(axis=0), 1e-9)
    contributions, weights = np.zeros_like(true), np.zeros(len(scale))
    for fold, scored in splits:
        # Rows with their own texts are class 0, the same rows with shuffled texts class 1.
        rows = np.vstack([true[fold], found.surprise(fold, shuffled[fold])]) / scale
        classes = np.repeat([0, 1], len(fold))
        model: Any = LogisticRegression(max_iter=500).fit(rows, classes)
        weights = np.maximum(model.coef_[0], 0)
        contributions[scored] = true[scored] / scale * weights
    return contributions, scale, weights
