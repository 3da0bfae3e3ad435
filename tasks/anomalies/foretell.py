"""A table's features as the texts beside them foretell them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from tasks.fuse.deal import deal
from tasks.fuse.parts import Rows
from tasks.fuse.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tasks.texts.distinct import Texts

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
        teach: The places of those that teach; all others with a text are judged by all of these.
    """
    said = np.unique(texts.of_row[taught])
    of_text = np.full(len(texts) + 1, -1, np.int64)
    # Only known texts are dealt, so that new ones do not decide on the folds of history.
    of_text[said] = deal(np.zeros(len(said), np.int64), FOLDS, SEED)
    fold = of_text[texts.of_row]
    for number in range(FOLDS):
        yield teach[fold[teach] != number], np.flatnonzero(taught & (fold == number))
    new = (texts.of_row >= 0) & ~taught
    if new.any():
        yield teach, np.flatnonzero(new)


@dataclass(frozen=True)
class Read:
    """The features of n rows' texts: their vectors, and the directions of their terms (m, t)."""

    texts: Texts
    directions: NDArray[np.float32]

    @classmethod
    def of(cls, texts: Texts, teach: NDArray[np.int64]) -> Read:
        """Terms and their directions come from the texts of the rows that teach."""
        from sklearn.decomposition import TruncatedSVD

        rows = Rows(pl.DataFrame({"text": texts.texts}), texts.vectors)
        terms = Terms(TERMS)
        learnt = terms.fit_transform(rows.take(np.unique(texts.of_row[teach])))
        if min(learnt.shape) <= DIRECTIONS:
            return cls(texts, np.empty((len(texts), 0), np.float32))
        model = TruncatedSVD(DIRECTIONS, n_iter=2, random_state=SEED).fit(learnt)
        found = np.empty((len(texts), DIRECTIONS), np.float32)
        for block in blocks(np.arange(len(texts))):
            # In float64, as the last bits of float32 depend on how many texts there are.
            found[block] = model.transform(terms.transform(rows.take(block)).astype(np.float64))
        return cls(texts, found)

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(r, f) the features of some rows."""
        place = self.texts.of_row[rows]
        return np.hstack([self.texts.vectors[place], self.directions[place]]).astype(np.float64)


def blocks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Some rows' places, a bounded number of them at a time."""
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]


def foretell(
    read: Read, features: NDArray[np.float32], mean: NDArray[np.float64], splits: list[Split]
) -> NDArray[np.float32]:
    """Foretell the table's features from the texts, by ridge regression in each split.

    Args:
        read: The features of the rows' texts.
        features: (n, c) the table's.
        mean: (c,) what is taken as their middle.
        splits: Who teaches and who is judged.

    Returns:
        (n, c) the features as the texts foretell them, 0 without a text.
    """
    from sklearn.linear_model import Ridge

    found = np.zeros(features.shape, np.float32)
    for teach, judge in splits:
        known = read(teach)
        penalty = RIDGE * len(teach) * float(known.var(axis=0).mean())
        model = Ridge(alpha=max(penalty, 1e-9), solver="cholesky")
        model.fit(known, features[teach] - mean)
        for block in blocks(judge):
            found[block] = model.predict(read(block)).reshape(len(block), -1) + mean
    return found
