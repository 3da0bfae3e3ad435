"""Predicting a table's features from the texts beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.tfidf import Tfidf
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.stats.sampling import stratified_folds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.tasks.mine.anomalies.views.view import Flags, Floats, Ints, Vectors
    from fusemine.tasks.text.distinct import Texts

FOLDS, SEED = 5, 0
MAX_TERMS, COMPONENTS = 20_000, 150
"""Terms of the texts, and their main components, that stand beside the vectors."""
RIDGE = 0.1
"""The penalty, as a share of the mean variance of the features."""
_BLOCK = 8_192

Split: TypeAlias = "tuple[Ints, Ints]"


def splits_of(texts: Texts, with_text: Flags, training: Ints) -> Iterator[Split]:
    """Training rows and the rows that they score, all known rows of a text on one side.

    Args:
        texts: The distinct texts of n rows.
        with_text: (n,) the known rows with a text, which a model of the other folds scores.
        training: The places of those that models learn from.
    """
    known = np.unique(texts.of_row[with_text])
    of_text = np.full(len(texts) + 1, -1, np.int64)
    # Only known texts are put into folds, so that new ones do not decide on the folds of history.
    of_text[known] = stratified_folds(np.zeros(len(known), np.int64), FOLDS, SEED)
    fold = of_text[texts.of_row]
    for number in range(FOLDS):
        yield training[fold[training] != number], np.flatnonzero(with_text & (fold == number))


@storable
@dataclass(frozen=True)
class TextFeaturizer:
    """Features of texts: their vectors beside the main components of their TF-IDF.

    Attributes:
        tfidf: The terms.
        components: (t, k) their main components; None where there are too few terms for that.
    """

    tfidf: Tfidf
    components: Vectors | None

    @classmethod
    def of(cls, texts: Texts, training: Ints) -> TextFeaturizer:
        """Fit to the texts of the training rows."""
        from sklearn.decomposition import TruncatedSVD

        tfidf = Tfidf(MAX_TERMS)
        places = np.unique(texts.of_row[training])
        found = tfidf.fit_transform(_rows([texts.texts[place] for place in places.tolist()]))
        if min(found.shape) <= COMPONENTS:
            return cls(tfidf, None)
        model = TruncatedSVD(COMPONENTS, n_iter=2, random_state=SEED).fit(found)
        return cls(tfidf, np.ascontiguousarray(model.components_.T))

    def transform(self, texts: Texts) -> TextFeatures:
        """The features of any texts."""
        if self.components is None:
            return TextFeatures(texts, np.empty((len(texts), 0), np.float32))
        found = np.empty((len(texts), self.components.shape[1]), np.float32)
        for block in blocks(np.arange(len(texts))):
            terms = self.tfidf.transform(_rows(texts.texts[block[0] : block[-1] + 1]))
            # In float64, as the last bits of float32 depend on how many texts there are.
            found[block] = terms.astype(np.float64) @ self._components64
        return TextFeatures(texts, found)

    @cached_property
    def _components64(self) -> Floats:
        return np.asarray(self.components, np.float64)


def _rows(texts: list[str]) -> Rows:
    return Rows.without_vectors(pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}))


@dataclass(frozen=True)
class TextFeatures:
    """The features of n rows' texts: their vectors, and the components of their terms (m, t)."""

    texts: Texts
    components: Vectors

    def of(self, rows: Ints) -> Floats:
        """(r, f) the features of some rows."""
        place = self.texts.of_row[rows]
        return np.hstack([self.texts.vectors[place], self.components[place]]).astype(np.float64)


def blocks(rows: Ints) -> Iterator[Ints]:
    """Some rows' places, a bounded number of them at a time."""
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]


@storable
@dataclass(frozen=True)
class TablePredictor:
    """Predicts the table's features from the texts.

    Attributes:
        ridge: A fitted ridge regression of the features less their mean.
        mean: (c,) the mean that was subtracted.
    """

    ridge: Any
    mean: Floats

    @classmethod
    def of(
        cls, texts: TextFeatures, features: Vectors, mean: Floats, training: Ints
    ) -> TablePredictor:
        """Fit to the training rows; `features` are (n, c)."""
        from sklearn.linear_model import Ridge

        known = texts.of(training)
        penalty = RIDGE * len(training) * float(known.var(axis=0).mean())
        model = Ridge(alpha=max(penalty, 1e-9), solver="cholesky")
        return cls(model.fit(known, features[training] - mean), mean)

    def predict_into(self, found: Vectors, texts: TextFeatures, rows: Ints) -> None:
        """Predict the features of some rows into their places in `found` (n, c)."""
        for block in blocks(rows):
            predicted = self.ridge.predict(texts.of(block)).reshape(len(block), -1)
            found[block] = predicted + self.mean
