"""A table's features as the texts beside them foretell them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.tfidf import Terms
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.anomalies.stored import Stored
from fusemine.tasks.stats.folds import deal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fusemine.tasks.text.distinct import Texts

FOLDS, SEED = 5, 0
TERMS, DIRECTIONS = 20_000, 150
"""Terms of the texts, and their main directions, that stand beside the vectors."""
RIDGE = 0.1
"""The penalty, as a share of the mean variance of the features."""
_BLOCK = 8_192

Split: TypeAlias = "tuple[NDArray[np.int64], NDArray[np.int64]]"


def splits_of(texts: Texts, taught: NDArray[np.bool_], teach: NDArray[np.int64]) -> Iterator[Split]:
    """Rows that teach and rows that are judged by them, all known rows of a text on one side.

    Args:
        texts: The distinct texts of n rows.
        taught: (n,) the known rows with a text, which are judged by a model of the other folds.
        teach: The places of those that teach.
    """
    said = np.unique(texts.of_row[taught])
    of_text = np.full(len(texts) + 1, -1, np.int64)
    # Only known texts are dealt, so that new ones do not decide on the folds of history.
    of_text[said] = deal(np.zeros(len(said), np.int64), FOLDS, SEED)
    fold = of_text[texts.of_row]
    for number in range(FOLDS):
        yield teach[fold[teach] != number], np.flatnonzero(taught & (fold == number))


@storable
@dataclass(frozen=True)
class Reader(Stored):
    """Reads texts as their vectors beside the main directions of their terms.

    Attributes:
        terms: The terms.
        directions: (t, k) their main directions; None where there are too few terms for that.
    """

    terms: Terms
    directions: NDArray[np.float32] | None

    @classmethod
    def of(cls, texts: Texts, teach: NDArray[np.int64]) -> Reader:
        """Terms and their directions come from the texts of the rows that teach."""
        from sklearn.decomposition import TruncatedSVD

        terms = Terms(TERMS)
        rows = np.unique(texts.of_row[teach])
        learnt = terms.fit_transform(_rows([texts.texts[row] for row in rows.tolist()]))
        if min(learnt.shape) <= DIRECTIONS:
            return cls(terms, None)
        model = TruncatedSVD(DIRECTIONS, n_iter=2, random_state=SEED).fit(learnt)
        return cls(terms, np.ascontiguousarray(model.components_.T))

    def read(self, texts: Texts) -> Read:
        """The features of some texts."""
        if self.directions is None:
            return Read(texts, np.empty((len(texts), 0), np.float32))
        found = np.empty((len(texts), self.directions.shape[1]), np.float32)
        for block in blocks(np.arange(len(texts))):
            terms = self.terms.transform(_rows(texts.texts[block[0] : block[-1] + 1]))
            # In float64, as the last bits of float32 depend on how many texts there are.
            found[block] = terms.astype(np.float64) @ self._wide
        return Read(texts, found)

    @cached_property
    def _wide(self) -> NDArray[np.float64]:
        return np.asarray(self.directions, np.float64)


def _rows(texts: list[str]) -> Rows:
    frame = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
    return Rows(frame, np.empty((len(texts), 0), np.float32))


@dataclass(frozen=True)
class Read:
    """The features of n rows' texts: their vectors, and the directions of their terms (m, t)."""

    texts: Texts
    directions: NDArray[np.float32]

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(r, f) the features of some rows."""
        place = self.texts.of_row[rows]
        return np.hstack([self.texts.vectors[place], self.directions[place]]).astype(np.float64)


def blocks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Some rows' places, a bounded number of them at a time."""
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]


@storable
@dataclass(frozen=True)
class Foreteller:
    """Foretells the table's features from the texts.

    Attributes:
        ridge: A fitted ridge regression of the features less their mean.
        mean: (c,) what is taken as their middle.
    """

    ridge: Any
    mean: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        read: Read,
        features: NDArray[np.float32],
        mean: NDArray[np.float64],
        teach: NDArray[np.int64],
    ) -> Foreteller:
        """Fit to the rows that teach; `features` are (n, c)."""
        from sklearn.linear_model import Ridge

        known = read(teach)
        penalty = RIDGE * len(teach) * float(known.var(axis=0).mean())
        model = Ridge(alpha=max(penalty, 1e-9), solver="cholesky")
        return cls(model.fit(known, features[teach] - mean), mean)

    def foretell(self, read: Read, rows: NDArray[np.int64], found: NDArray[np.float32]) -> None:
        """Foretell the features of some rows into their places in `found` (n, c)."""
        for block in blocks(rows):
            told = self.ridge.predict(read(block)).reshape(len(block), -1)
            found[block] = told + self.mean
