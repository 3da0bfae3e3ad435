"""Nearest vectors, nearest texts, and what is told of a row by them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusemine.tasks.mine.anomalies.reasons.baseline import usual
from fusemine.tasks.mine.anomalies.reasons.reasons import unusual_words
from fusemine.tasks.mine.anomalies.views.text_neighbours import Neighbours, neighbours_of
from fusemine.tasks.text.distinct import Texts, distinct_texts
from fusemine.tasks.text.neighbours import nearest

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
    near, similar = nearest(vectors[:90], vectors, 7)
    every = vectors[:90] @ vectors.T
    assert np.allclose(similar, -np.sort(-every, axis=1)[:, :7], atol=1e-6)
    assert (near[:, 0] == np.arange(90)).all()
    assert (near.dtype, similar.dtype) == (np.int64, np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 150), st.integers(1, 40), st.integers(0, 9))
def test_the_order_is_that_of_a_stable_sort_whatever_the_sizes(
    queries: int, size: int, count: int, seed: int
) -> None:
    # Few halves and wholes: their similarities are exact, and many are the same.
    draw = np.random.default_rng(seed)
    asked, vectors = (
        (draw.integers(-1, 2, (rows, 4)) / 2).astype(np.float32) for rows in (queries, size)
    )
    near, similar = nearest(asked, vectors, count)
    assert (near == searched(asked, vectors, count)).all()
    assert (similar == np.take_along_axis(asked @ vectors.T, near, axis=1)).all()


def test_nearest_takes_all_where_there_are_no_more() -> None:
    vectors = cloud(3)
    for count in (3, 9):
        near, similar = nearest(vectors, vectors, count)
        assert np.sort(near, axis=1).tolist() == [[0, 1, 2]] * 3
        assert similar.shape == (3, 3)


@pytest.mark.parametrize(("queries", "size"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_is_found_of_nothing_and_for_nothing(queries: int, size: int) -> None:
    near, similar = nearest(cloud(queries), cloud(size), 3)
    assert near.shape == similar.shape == (queries, min(3, size))


def test_copies_come_in_the_order_of_their_places() -> None:
    vectors = np.repeat(cloud(2, width=384), 500, axis=0)[np.arange(1000) * 501 % 1000]
    near, similar = nearest(vectors[:50], vectors, 20)
    assert (np.diff(near, axis=1) > 0).all()
    assert (similar == 1).all()
    assert near[0].tolist() == np.flatnonzero((vectors == vectors[0]).all(axis=1))[:20].tolist()


def test_a_vector_of_zeros_is_as_similar_to_all() -> None:
    near, similar = nearest(np.zeros((1, 24), np.float32), cloud(99), 4)
    assert near.tolist() == [[0, 1, 2, 3]]
    assert (similar == 0).all()


def test_a_query_finds_the_same_in_any_company_in_any_block_and_on_any_threads() -> None:
    vectors = cloud(4500, width=384)  # more than a block takes
    near, similar = nearest(vectors, vectors, 12)
    for part in (slice(0, 1), slice(7, 9), slice(4000, 4200)):
        found, cosines = nearest(vectors[part], vectors, 12)
        assert (found == near[part]).all()
        assert (cosines == similar[part]).all()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        found, cosines = nearest(vectors, vectors, 12)
    finally:
        torch.set_num_threads(threads)
    assert (found == near).all()
    assert (cosines == similar).all()


def test_arrays_that_may_not_be_written_and_views_are_read() -> None:
    vectors = cloud(60)
    vectors.setflags(write=False)
    near, _ = nearest(vectors[::2], vectors, 1)
    assert near[:, 0].tolist() == list(range(0, 60, 2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_finds_the_same_places() -> None:
    vectors = cloud(3000, width=384)
    here, there = (nearest(vectors, vectors, 10, device) for device in ("cpu", "cuda"))
    assert (here[0] == there[0]).mean() > 0.999
    assert np.allclose(here[1], there[1], atol=2e-6)


def table(texts: list[str]) -> pl.DataFrame:
    columns = {"row_id": [str(i) for i in range(len(texts))], "text": texts}
    return pl.DataFrame(columns, {"row_id": pl.String, "text": pl.String}).with_columns(
        has_text=pl.col("text") != ""
    )


def described(texts: list[str], near: list[int]) -> tuple[pl.DataFrame, Texts, Neighbours]:
    """A table of texts, the first of which has the given ones for neighbours."""
    clean = table(texts)
    found = distinct_texts(clean, np.zeros((len(texts), 2), np.float32))
    places = np.full((len(found), len(near)), -1, np.int64)
    places[0] = near
    return clean, found, Neighbours(places, np.full(places.shape, 0.5, np.float32))


def test_unusual_words_are_those_that_no_neighbour_spells_alike() -> None:
    texts = ["smoke in the cargo bay after ingestion, flt162", "a smoke alarm", "smokes and engine"]
    texts += ["ingestoin of a gull"] + ["cargo"] * 3 + [f"gull {i}" for i in range(2500)]
    clean, found, near = described(texts, [1, 2, 3])
    # `ingestion` is misspelt once among the neighbours, so it is still unusual; smoke is not.
    assert unusual_words(usual(clean), found, near, 0) == ["ingestion"]
    clean, found, near = described(texts, [5, 6])
    assert unusual_words(usual(clean), found, near, 0) == ["smoke", "ingestion"]
    assert unusual_words(usual(clean), found, near, -1) == []


def test_neighbours_are_other_known_texts_the_most_similar_first() -> None:
    angles = np.array([0.0, 0.1, 0.3, 0.7, 0.05])
    clean = table(list("abcde"))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    known = np.array([True, True, True, True, False])
    found = neighbours_of(distinct_texts(clean, vectors), known, 3)
    assert found.places.tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0], [0, 1, 2]]
    assert found.similar[0] == pytest.approx(np.cos([0.1, 0.3, 0.7]), abs=1e-5)
    assert found.of(4) == [0, 1, 2]


@given(st.integers(0, 12), st.integers(1, 6), st.data())
def test_no_text_is_its_own_neighbour_and_what_lacks_is_marked(
    size: int, count: int, data: st.DataObject
) -> None:
    known = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool)
    clean = table([f"text {i}" for i in range(size)])
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
