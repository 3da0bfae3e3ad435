"""The nearest texts of each text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.odd_rows import clean_table

from fusemine.tasks.mine.anomalies.views.text_neighbours import neighbours_of
from fusemine.tasks.text.distinct import distinct_texts


def test_neighbours_are_other_known_texts_the_most_similar_first() -> None:
    angles = np.array([0.0, 0.1, 0.3, 0.7, 0.05])
    clean = clean_table(list("abcde"))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    known = np.array([True, True, True, True, False])
    found = neighbours_of(distinct_texts(clean, vectors), known, 3)
    assert found.places.tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0], [0, 1, 2]]
    assert found.similar[0] == pytest.approx(np.cos([0.1, 0.3, 0.7]), abs=1e-5)
    assert found.of(4) == [0, 1, 2]


@given(st.integers(0, 12), st.integers(1, 6), st.data())
def test_no_text_is_its_own_neighbour_and_missing_ones_are_marked(
    size: int, count: int, data: st.DataObject
) -> None:
    known = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool)
    clean = clean_table([f"text {i}" for i in range(size)])
    texts = distinct_texts(clean, np.ones((size, 2), np.float32))
    found = neighbours_of(texts, known, count)
    assert found.places.shape == found.similar.shape == (size, count)
    assert ((found.places < 0) == np.isnan(found.similar)).all()
    for text in range(size):
        others = known.sum() - known[text]
        near = found.of(text)
        assert len(set(near)) == len(near) == min(count, others)
        assert text not in near
        assert known[near].all()
