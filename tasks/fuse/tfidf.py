"""Sparse terms of the texts: words and word pairs, and sequences of characters.

The two see different things: words carry meaning, characters survive misspellings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.transformers import Matrix, Part, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.stats.target import Target

WORD, CHARS = "word.", "chars."
SPACED, WORDS = r"(?u)\S+", r"(?u)\b\w+\b"
SEQUENCES = (2, 4)
WORD_LENGTH = 1000
"""So many first characters of a word are cut into sequences: a longer one is not a word."""


@storable
class Terms(Part):
    """TF-IDF of words and word pairs, and of character sequences within words."""

    def __init__(self, most: int) -> None:
        self.most = most

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:  # noqa: ARG002
        """Choose the terms and weigh them by how rare they are."""
        texts = rows.texts
        # In a large table a term of one row teaches nothing; in a small one it may be all there is.
        least = 2 if len(texts) >= 100 else 1
        halves: dict[str, Words | Sequences] = {
            WORD: Words(least, self.most),
            CHARS: Sequences(2 * least - 1, self.most),
        }
        found = {prefix: _fitted(half, texts) for prefix, half in halves.items()}
        self.halves = {prefix: halves[prefix] for prefix, counts in found.items() if counts.nnz}
        return _side_by_side([found[prefix] for prefix in self.halves], len(texts))

    def transform(self, rows: Rows) -> Matrix:
        """TF-IDF as CSR (n, terms); each half of a row has norm 1, or 0 without text."""
        if not len(rows):  # which scikit-learn refuses
            return _side_by_side([], 0, len(self.get_feature_names_out()))
        # Each distinct text is cut into terms once: tables repeat themselves, explanations more so.
        texts, places = np.unique(np.array(rows.texts, dtype=object), return_inverse=True)
        distinct = texts.tolist()
        found = [half.transform(distinct) for half in self.halves.values()]
        return _side_by_side(found, len(distinct))[places.ravel()]

    def get_feature_names_out(self) -> list[str]:
        """`word.` or `chars.` and the term."""
        return [
            prefix + term
            for prefix, half in self.halves.items()
            for term in half.get_feature_names_out()
        ]


@storable
class Words:
    """TF-IDF of words and word pairs."""

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    def fit_transform(self, texts: list[str]) -> Matrix:
        """Choose the most frequent words and pairs and weigh them by how rare they are.

        Raises:
            ValueError: No word is left, in scikit-learn's words.
        """
        self.vectorizer = self._vectorizer(min_df=self.least, max_features=self.most)
        return self.vectorizer.fit_transform(texts)

    def transform(self, texts: list[str]) -> Matrix:
        """TF-IDF as CSR (n, words and pairs)."""
        return self.vectorizer.transform(texts)

    def get_feature_names_out(self) -> Sequence[str]:
        """The words and pairs."""
        names: Sequence[str] = self.vectorizer.get_feature_names_out()
        return names

    def __getstate__(self) -> dict[str, Any]:
        """The words and how rare they are, from which scikit-learn's object is made again."""
        names = list(self.get_feature_names_out())
        rarity = self.vectorizer.idf_
        return {"least": self.least, "most": self.most, "terms": names, "rarity": rarity}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what `__getstate__` gave."""
        self.least, self.most = state["least"], state["most"]
        self.vectorizer = self._vectorizer(vocabulary=state["terms"])
        self.vectorizer.idf_ = state["rarity"]

    def _vectorizer(self, **how: Any) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            token_pattern=WORDS, ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32, **how
        )


@storable
class Sequences:
    """TF-IDF of character sequences within words, what scikit-learn calls `char_wb`.

    A text's counts are the sum of its words' counts, so each distinct word is cut up only once,
    which is several times faster than cutting up every text.
    """

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    def fit_transform(self, texts: list[str]) -> Matrix:
        """Choose the most frequent sequences and weigh them by how rare they are.

        Raises:
            ValueError: No sequence is left, in scikit-learn's words.
        """
        words, used = _distinct_words(texts)
        counter = self._counter()
        spelt = counter.fit_transform(words)
        totals = np.asarray(used.sum(axis=0) @ spelt).ravel()
        chosen = np.argsort(-totals, kind="stable")[: self.most]
        chosen = np.sort(chosen[totals[chosen] >= self.least])
        self.counter = self._counter(counter.get_feature_names_out()[chosen])
        self.weigher = self._weigher()
        return self.weigher.fit_transform(used @ spelt[:, chosen])

    def transform(self, texts: list[str]) -> Matrix:
        """TF-IDF as CSR (n, sequences)."""
        from scipy import sparse

        try:
            words, used = _distinct_words(texts)
        except ValueError:  # no words at all
            return sparse.csr_matrix((len(texts), len(self.counter.vocabulary)), dtype=np.float32)
        # Otherwise sums go by the order in which words occur in the other texts.
        used.sort_indices()
        return self.weigher.transform(used @ self.counter.transform(words))

    def get_feature_names_out(self) -> Sequence[str]:
        """The sequences."""
        names: Sequence[str] = self.counter.get_feature_names_out()
        return names

    def __getstate__(self) -> dict[str, Any]:
        """The sequences and how rare they are, from which scikit-learn's objects are made again."""
        names = list(self.get_feature_names_out())
        rarity = self.weigher.idf_
        return {"least": self.least, "most": self.most, "terms": names, "rarity": rarity}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what `__getstate__` gave."""
        self.least, self.most = state["least"], state["most"]
        self.counter, self.weigher = self._counter(state["terms"]), self._weigher()
        self.weigher.idf_ = state["rarity"]

    def _weigher(self) -> Any:
        from sklearn.feature_extraction.text import TfidfTransformer

        return TfidfTransformer(sublinear_tf=True)

    def _counter(self, vocabulary: Any = None) -> Any:
        from sklearn.feature_extraction.text import CountVectorizer

        return CountVectorizer(
            analyzer="char_wb",
            ngram_range=SEQUENCES,
            lowercase=False,
            vocabulary=vocabulary,
            dtype=np.float32,
        )


def _distinct_words(texts: list[str]) -> tuple[list[str], Matrix]:
    """The distinct words, and how often each text uses them: CSR (texts, words)."""
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(token_pattern=SPACED, dtype=np.float32)
    used = counter.fit_transform(texts)
    return [word[:WORD_LENGTH] for word in counter.get_feature_names_out()], used


def _fitted(half: Any, texts: list[str]) -> Matrix:
    """A half's matrix (texts, terms), without any entry if the texts hold no term."""
    if not any(text.strip() for text in texts):
        return _side_by_side([], len(texts))
    try:
        return half.fit_transform(texts)
    except ValueError as error:
        # scikit-learn has no other way to say that it found no term, or none often enough.
        if any(said in str(error) for said in ("empty vocabulary", "no terms remain")):
            return _side_by_side([], len(texts))
        raise


def _side_by_side(matrices: list[Matrix], rows: int, width: int = 0) -> Matrix:
    from scipy import sparse

    empty = sparse.csr_matrix((rows, width), dtype=np.float32)
    return sparse.hstack([empty, *matrices], format="csr", dtype=np.float32)
