"""The words of a text that are rare overall and among its neighbours."""

from __future__ import annotations

import numpy as np
from support.odd_rows import clean_table

from fusemine.tasks.mine.anomalies.reasons.baseline import ComparedRows
from fusemine.tasks.mine.anomalies.reasons.rare_words import unusual_words
from fusemine.tasks.mine.anomalies.views.text_neighbours import Neighbours
from fusemine.tasks.text.distinct import distinct_texts


def words(texts: list[str], near: list[int], text: int = 0) -> list[str]:
    """The unusual words of a text, where the first one has the given ones for neighbours."""
    clean = clean_table(texts)
    found = distinct_texts(clean, np.zeros((len(texts), 2), np.float32))
    places = np.full((len(found), len(near)), -1, np.int64)
    places[0] = near
    neighbours = Neighbours(places, np.full(places.shape, 0.5, np.float32))
    rows = ComparedRows.of(clean, np.ones(len(texts), bool))
    return unusual_words(rows, found, neighbours, text)


def test_unusual_words_are_those_that_no_neighbour_spells_alike() -> None:
    texts = ["smoke in the cargo bay after ingestion, flt162", "a smoke alarm", "smokes and engine"]
    texts += ["ingestoin of a gull"] + ["cargo"] * 3 + [f"gull {i}" for i in range(2500)]
    # `ingestion` is misspelt once among the neighbours, so it is still unusual; smoke is not.
    assert words(texts, [1, 2, 3]) == ["ingestion"]
    assert words(texts, [5, 6]) == ["smoke", "ingestion"]
    assert words(texts, [5, 6], text=-1) == []
