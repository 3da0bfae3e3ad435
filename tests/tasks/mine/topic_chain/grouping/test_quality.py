"""Measures of topics, and themes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.present import present

from fusemine.tasks.core.vectors import unit
from fusemine.tasks.mine.topic_chain.grouping.merging import themes
from fusemine.tasks.mine.topic_chain.grouping.quality import (
    agreement,
    coherence,
    diversity,
    silhouette,
)


def test_a_silhouette_of_one_group_is_zero() -> None:
    vectors = np.eye(5, dtype=np.float32)
    assert silhouette(vectors, np.zeros(5, np.int32)) == 0
    assert silhouette(vectors, np.arange(5, dtype=np.int32)) == 0


def test_a_silhouette_is_large_where_groups_lie_apart() -> None:
    vectors = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    vectors = unit(vectors + 0.01 * np.random.default_rng(0).normal(size=(15, 3)))
    apart, mixed = np.repeat(np.arange(3), 5), np.tile(np.arange(3), 5)
    assert silhouette(vectors, apart.astype(np.int32)) > 0.9
    assert silhouette(vectors, mixed.astype(np.int32)) < 0


def test_terms_that_always_come_together_cohere_and_such_as_never_do_not() -> None:
    texts = ["gear collapsed"] * 4 + ["window shattered"] * 4
    whole, torn = coherence(texts, [["gear", "collapsed"], ["gear", "window"]])
    assert whole == 1
    assert torn == -1


def test_terms_that_come_together_by_chance_have_no_coherence() -> None:
    texts = ["gear bird", "gear", "bird", "window"]
    assert coherence(texts, [["gear", "bird"]]) == [0]


def test_a_topic_of_fewer_than_two_terms_has_no_coherence() -> None:
    assert coherence(["gear"], [[], ["gear"]]) == [None, None]
    assert coherence([], [[]]) == [None]


def test_diversity_is_the_share_of_terms_that_are_listed_once() -> None:
    assert diversity([["a", "b"], ["a", "c"]]) == 0.75
    assert diversity([[], []]) is None


def test_topics_that_are_the_classes_agree_with_them() -> None:
    labels = pl.Series(["x", "x", "y", "y", None, "y"])
    topics = np.array([1, 1, 0, 0, 0, -1], np.int32)
    found = present(agreement(labels, topics))
    assert (found["v_measure"], found["ari"]) == (1, 1)


@pytest.mark.parametrize("labels", [[None] * 60, ["one"] * 60, [str(i) for i in range(60)]])
def test_a_label_without_classes_agrees_with_nothing(labels: list[str | None]) -> None:
    assert agreement(pl.Series(labels, dtype=pl.String), np.zeros(60, np.int32)) is None


def heaps(*each: int) -> np.ndarray:
    """Unit centroids in heaps of so many."""
    centres = np.repeat(np.eye(len(each)), each, axis=0)
    return unit((centres + 0.1 * np.random.default_rng(0).normal(size=centres.shape)).astype("f"))


def test_themes_are_the_heaps_of_topics_the_one_with_the_most_texts_first() -> None:
    sizes = np.array([5] * 6 + [30] * 4 + [10] * 5)
    assert themes(heaps(6, 4, 5), sizes, "auto").tolist() == [2] * 6 + [0] * 4 + [1] * 5


@pytest.mark.parametrize("topics", [1, 2, 3])
def test_so_few_topics_are_themes_themselves(topics: int) -> None:
    found = themes(np.eye(topics, dtype=np.float32), np.ones(topics, int), "auto")
    assert sorted(found.tolist()) == list(range(topics))


@given(st.integers(1, 30), st.one_of(st.just("auto"), st.integers(1, 40)), st.integers(0, 5))
def test_themes_are_numbered_without_gaps_and_are_as_many_as_asked(
    topics: int, count: int | str, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    centres = unit(draw.normal(size=(topics, 4)).astype(np.float32))
    sizes = draw.integers(1, 50, topics)
    found = themes(centres, sizes, count)  # type: ignore[arg-type]
    counts = np.bincount(found, weights=sizes)
    assert (counts > 0).all()
    assert topics <= 3 or (np.diff(counts) <= 0).all()
    assert count == "auto" or len(counts) == min(int(count), topics)
