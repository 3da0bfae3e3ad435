"""The words of topics and how well they go together, counted alike for all sides."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS = 10


class Words:
    """Words of n texts, for measures that are alike for all sides."""

    def __init__(self, texts: list[str]) -> None:
        from sklearn.feature_extraction.text import CountVectorizer

        counter = CountVectorizer(
            stop_words="english",
            token_pattern=r"(?u)\b[^\W\d_][^\W\d_]+\b",
            min_df=5 if len(texts) > 3_000 else 2,
            binary=True,
        )
        self.counts = counter.fit_transform(texts)
        self.names = counter.get_feature_names_out()

    def leading(self, topics: NDArray[np.int64]) -> list[list[str]]:
        """The `WORDS` words of each topic by class-based TF-IDF (Grootendorst 2022)."""
        groups = [topic for topic in np.unique(topics) if topic >= 0]
        counts = np.stack(
            [np.asarray(self.counts[topics == group].sum(axis=0)).ravel() for group in groups]
        )
        sizes = counts.sum(axis=1, keepdims=True)
        rarity = np.log(1 + sizes.mean() / np.maximum(counts.sum(axis=0), 1))
        scores = counts / np.maximum(sizes, 1) * rarity
        best = np.argsort(-scores, axis=1, kind="stable")[:, :WORDS]
        return [[str(self.names[place]) for place in row] for row in best]

    def coherence(self, listed: list[list[str]]) -> float:
        """The mean over topics of the mean NPMI of their words' pairs (Bouma 2009)."""
        places = {name: place for place, name in enumerate(self.names)}
        return float(np.mean([self._npmi([places[word] for word in row]) for row in listed]))

    def _npmi(self, row: list[int]) -> float:
        counts = self.counts[:, row].astype(np.int64)
        together, size = (counts.T @ counts).toarray(), counts.shape[0]
        values = []
        for one, other in combinations(range(len(row)), 2):
            both = together[one, other]
            mutual = np.log(max(both, 1) * size / (together[one, one] * together[other, other]))
            values.append(mutual / -np.log(both / size) if both else -1.0)
        return float(np.mean(values))
