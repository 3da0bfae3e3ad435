"""Distances of rows to their k-th nearest reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.odd_rows import cloud

from fusemine.tasks.mine.anomalies.views.row_neighbours import KthNeighbour, SparseNeighbours


def test_the_kth_neighbour_is_another_known_row() -> None:
    rows = np.array([[0.0], [1.0], [3.0], [9.0]], np.float32)
    known = np.array([True, True, True, False])
    assert KthNeighbour(rows[known], 1).distances(rows, known).tolist() == [1, 1, 2, 6]
    assert KthNeighbour(rows[known], 7).distances(rows, known).tolist() == [3, 2, 3, 9]


levels = st.lists(st.integers(0, 3), min_size=1, max_size=30)


@settings(max_examples=25, deadline=None)
@given(levels, levels, st.integers(0, 3), st.integers(1, 6))
def test_distances_of_sparse_rows_are_those_of_scikit_learn(
    known: list[int], new: list[int], width: int, count: int
) -> None:
    tables = [
        np.hstack([np.round(cloud(len(its), width, seed), 1), np.eye(4, dtype=np.float32)[its]])
        for seed, its in enumerate((known, new))
    ]
    by = [KthNeighbour(tables[0], count), KthNeighbour(tables[0], 1)]
    found, none = SparseNeighbours.of(by, 4).distances([tables[1]] * 2), np.zeros(len(new), bool)
    for neighbour, distances in zip(by, found, strict=True):
        assert distances == pytest.approx(neighbour.distances(tables[1], none), abs=1e-6)
