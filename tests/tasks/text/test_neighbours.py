"""The nearest vectors of vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusemine.tasks.text.neighbours import nearest_neighbours

Floats = NDArray[np.float32]
GRID = 2.0**18


def cloud(rows: int, seed: int = 0, width: int = 24) -> Floats:
    drawn = np.random.default_rng(seed).normal(size=(rows, width))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def searched(queries: Floats, vectors: Floats, count: int) -> NDArray[np.int64]:
    """The places by a full sort of the similarities on the grid, ties by the lower place."""
    similar = np.round(queries.astype(np.float64) @ vectors.T.astype(np.float64) * GRID)
    return np.argsort(-similar, axis=1, kind="stable")[:, :count]


def test_nearest_finds_what_a_full_search_finds() -> None:
    vectors = cloud(700)
    near, similar = nearest_neighbours(vectors[:90], vectors, 7)
    every = vectors[:90] @ vectors.T
    assert np.allclose(similar, -np.sort(-every, axis=1)[:, :7], atol=1e-6)
    assert (near[:, 0] == np.arange(90)).all()
    assert (near.dtype, similar.dtype) == (np.int64, np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 150), st.integers(1, 40), st.integers(0, 9))
def test_the_order_is_that_of_a_stable_sort_at_any_size(
    queries: int, size: int, count: int, seed: int
) -> None:
    # Few halves and wholes: their similarities are exact, and many are the same.
    draw = np.random.default_rng(seed)
    asked, vectors = (
        (draw.integers(-1, 2, (rows, 4)) / 2).astype(np.float32) for rows in (queries, size)
    )
    near, similar = nearest_neighbours(asked, vectors, count)
    assert (near == searched(asked, vectors, count)).all()
    assert (similar == np.take_along_axis(asked @ vectors.T, near, axis=1)).all()


def test_nearest_takes_all_where_there_are_no_more() -> None:
    vectors = cloud(3)
    for count in (3, 9):
        near, similar = nearest_neighbours(vectors, vectors, count)
        assert np.sort(near, axis=1).tolist() == [[0, 1, 2]] * 3
        assert similar.shape == (3, 3)


@pytest.mark.parametrize(("queries", "size"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_is_found_of_nothing_and_for_nothing(queries: int, size: int) -> None:
    near, similar = nearest_neighbours(cloud(queries), cloud(size), 3)
    assert near.shape == similar.shape == (queries, min(3, size))


def test_copies_come_in_the_order_of_their_places() -> None:
    vectors = np.repeat(cloud(2, width=384), 500, axis=0)[np.arange(1000) * 501 % 1000]
    near, similar = nearest_neighbours(vectors[:50], vectors, 20)
    assert (np.diff(near, axis=1) > 0).all()
    assert (similar == 1).all()
    assert near[0].tolist() == np.flatnonzero((vectors == vectors[0]).all(axis=1))[:20].tolist()


def test_a_vector_of_zeros_is_as_similar_to_all() -> None:
    near, similar = nearest_neighbours(np.zeros((1, 24), np.float32), cloud(99), 4)
    assert near.tolist() == [[0, 1, 2, 3]]
    assert (similar == 0).all()


def test_a_query_finds_the_same_in_any_company_in_any_block_and_on_any_threads() -> None:
    vectors = cloud(4500, width=384)  # more than a block takes
    near, similar = nearest_neighbours(vectors, vectors, 12)
    for part in (slice(0, 1), slice(7, 9), slice(4000, 4200)):
        found, cosines = nearest_neighbours(vectors[part], vectors, 12)
        assert (found == near[part]).all()
        assert (cosines == similar[part]).all()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        found, cosines = nearest_neighbours(vectors, vectors, 12)
    finally:
        torch.set_num_threads(threads)
    assert (found == near).all()
    assert (cosines == similar).all()


def test_arrays_that_may_not_be_written_and_views_are_read() -> None:
    vectors = cloud(60)
    vectors.setflags(write=False)
    near, _ = nearest_neighbours(vectors[::2], vectors, 1)
    assert near[:, 0].tolist() == list(range(0, 60, 2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_finds_the_same_places() -> None:
    vectors = cloud(3000, width=384)
    here, there = (nearest_neighbours(vectors, vectors, 10, device) for device in ("cpu", "cuda"))
    assert (here[0] == there[0]).mean() > 0.999
    assert np.allclose(here[1], there[1], atol=2e-6)
