"""TF-IDF of the texts: words and word pairs, and sequences of characters.

The two see different things: words carry meaning, characters survive misspellings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.transformers import Matrix, Rows, Transformer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.stats.target import Target

WORD, CHARS = "word.", "chars."
SPACED, WORDS = r"(?u)\S+", r"(?u)\b\w+\b"
CHAR_NGRAMS = (2, 4)
WORD_LENGTH = 1000
"""Only this many first characters of a word are cut into sequences: a longer one is not a word."""


@storable
class Tfidf(Transformer):
    """TF-IDF of words and word pairs, and of character sequences within words.

    Args:
        max_features: How many terms of either kind are kept at most.
    """

    def __init__(self, max_features: int) -> None:
        self.max_features = max_features

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:  # noqa: ARG002
        """Choose the terms and weigh them by how rare they are."""
        texts = rows.texts
        # In a large table a model learns nothing from a term of one row. In a small one that may
        # be all there is.
        min_df = 2 if len(texts) >= 100 else 1
        vectorizers: dict[str, Vectorizer] = {
            WORD: WordTfidf(min_df, self.max_features),
            CHARS: CharTfidf(2 * min_df - 1, self.max_features),
        }
        found = {prefix: _fitted(kind, texts) for prefix, kind in vectorizers.items()}
        self.vectorizers = {p: vectorizers[p] for p, counts in found.items() if counts.nnz}
        return _side_by_side([found[prefix] for prefix in self.vectorizers], len(texts))

    def transform(self, rows: Rows) -> Matrix:
        """TF-IDF as CSR (n, terms); words and characters of a row each have norm 1, or 0."""
        if not len(rows):  # which scikit-learn refuses
            return _side_by_side([], 0, len(self.get_feature_names_out()))
        # Each distinct text is cut into terms once: tables repeat themselves, explanations more so.
        texts, places = np.unique(np.array(rows.texts, dtype=object), return_inverse=True)
        distinct = texts.tolist()
        found = [kind.transform(distinct) for kind in self.vectorizers.values()]
        return _side_by_side(found, len(distinct))[places.ravel()]

    def get_feature_names_out(self) -> list[str]:
        """`word.` or `chars.` and the term."""
        named = self.vectorizers.items()
        return [prefix + term for prefix, kind in named for term in kind.get_feature_names_out()]


class Vectorizer(ABC):
    """TF-IDF of the terms that are frequent enough.

    Args:
        min_df: A term of fewer texts, or for `CharTfidf` of fewer occurrences, is left out.
        max_features: How many terms are kept at most, the most frequent ones.
    """

    kind: ClassVar[dict[str, Any]]
    """What scikit-learn's `CountVectorizer` counts."""
    counter: Any
    """A fitted `CountVectorizer`."""

    def __init__(self, min_df: int, max_features: int) -> None:
        self.min_df, self.max_features = min_df, max_features

    def fit_transform(self, texts: list[str]) -> Matrix:
        """Choose the most frequent terms and weigh them by how rare they are.

        Raises:
            ValueError: No term is left; the message is scikit-learn's.
        """
        counts = self._fit_counter(texts)
        self.weigher = _weigher()
        return self.weigher.fit_transform(counts)

    def transform(self, texts: list[str]) -> Matrix:
        """TF-IDF as CSR (n, terms)."""
        return self.weigher.transform(self._counts(texts))

    def get_feature_names_out(self) -> Sequence[str]:
        """The terms."""
        names: Sequence[str] = self.counter.get_feature_names_out()
        return names

    def __getstate__(self) -> dict[str, Any]:
        """The terms and their IDF, from which scikit-learn's objects are made again."""
        terms, idf = list(self.get_feature_names_out()), self.weigher.idf_
        sizes = {"min_df": self.min_df, "max_features": self.max_features}
        return {**sizes, "terms": terms, "idf": idf}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what `__getstate__` gave."""
        self.min_df, self.max_features = state["min_df"], state["max_features"]
        self.counter, self.weigher = self._counter(vocabulary=state["terms"]), _weigher()
        self.weigher.idf_ = state["idf"]

    def _counter(self, **options: Any) -> Any:
        return _count_vectorizer(**self.kind, **options)

    @abstractmethod
    def _fit_counter(self, texts: list[str]) -> Matrix:
        """Choose the terms, and count them: CSR (n, terms)."""

    @abstractmethod
    def _counts(self, texts: list[str]) -> Matrix:
        """The counts of the chosen terms, CSR (n, terms)."""


@storable
class WordTfidf(Vectorizer):
    """TF-IDF of words and word pairs, as scikit-learn's `TfidfVectorizer` gives it."""

    kind: ClassVar = {"token_pattern": WORDS, "ngram_range": (1, 2)}

    def _fit_counter(self, texts: list[str]) -> Matrix:
        self.counter = self._counter(min_df=self.min_df, max_features=self.max_features)
        return self.counter.fit_transform(texts)

    def _counts(self, texts: list[str]) -> Matrix:
        return self.counter.transform(texts)


@storable
class CharTfidf(Vectorizer):
    """TF-IDF of character sequences within words, which scikit-learn calls `char_wb`.

    A text's counts are the sum of its words' counts. So each distinct word is cut up only once,
    which is several times faster than cutting up every text.
    """

    kind: ClassVar = {"analyzer": "char_wb", "ngram_range": CHAR_NGRAMS, "lowercase": False}

    def _fit_counter(self, texts: list[str]) -> Matrix:
        words, used = _distinct_words(texts)
        counter = self._counter()
        spelt = counter.fit_transform(words)
        totals = np.asarray(used.sum(axis=0) @ spelt).ravel()
        chosen = np.argsort(-totals, kind="stable")[: self.max_features]
        chosen = np.sort(chosen[totals[chosen] >= self.min_df])
        self.counter = self._counter(vocabulary=counter.get_feature_names_out()[chosen])
        return used @ spelt[:, chosen]

    def _counts(self, texts: list[str]) -> Matrix:
        from scipy import sparse

        try:
            words, used = _distinct_words(texts)
        except ValueError:  # no words at all
            return sparse.csr_matrix((len(texts), len(self.counter.vocabulary)), dtype=np.float32)
        # Otherwise sums go by the order in which words occur in the other texts.
        used.sort_indices()
        return used @ self.counter.transform(words)


def _count_vectorizer(**options: Any) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(dtype=np.float32, **options)


def _weigher() -> Any:
    from sklearn.feature_extraction.text import TfidfTransformer

    return TfidfTransformer(sublinear_tf=True)


def _distinct_words(texts: list[str]) -> tuple[list[str], Matrix]:
    """The distinct words, and how often each text uses them: CSR (texts, words)."""
    counter = _count_vectorizer(token_pattern=SPACED)
    used = counter.fit_transform(texts)
    return [word[:WORD_LENGTH] for word in counter.get_feature_names_out()], used


def _fitted(vectorizer: Vectorizer, texts: list[str]) -> Matrix:
    """A vectorizer's matrix (texts, terms), without any entry if the texts hold no term."""
    if any(text.strip() for text in texts):
        try:
            return vectorizer.fit_transform(texts)
        except ValueError as error:
            # scikit-learn has no other way to state that it found no term, or none often enough.
            if not any(part in str(error) for part in ("empty vocabulary", "no terms remain")):
                raise
    return _side_by_side([], len(texts))


def _side_by_side(matrices: list[Matrix], rows: int, width: int = 0) -> Matrix:
    from scipy import sparse

    empty = sparse.csr_matrix((rows, width), dtype=np.float32)
    return sparse.hstack([empty, *matrices], format="csr", dtype=np.float32)
