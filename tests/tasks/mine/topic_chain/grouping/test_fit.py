"""Grouping texts into topics: every method, for any vectors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score
from support.heaps import heaps

from fusemine.tasks.core.vectors import unit
from fusemine.tasks.mine.topic_chain.grouping.fit import FEW, fit
from fusemine.tasks.mine.topic_chain.grouping.graph import neighbours_of
from fusemine.tasks.mine.topic_chain.grouping.graph_clustering import ALIKE
from fusemine.tasks.mine.topic_chain.grouping.kmeans import spherical_kmeans
from fusemine.tasks.mine.topic_chain.grouping.methods import (
    Grouping,
    candidate_counts,
    count_bounds,
)
from fusemine.tasks.mine.topic_chain.settings import TopicsSettings

Floats = NDArray[np.float32]
METHODS = ("graph", "kmeans", "hdbscan", "agglomerative")


def checked(vectors: Floats, known: NDArray[np.int32] | None = None, **chosen: Any) -> Grouping:
    """Group vectors and check what must hold of every result."""
    given_settings = TopicsSettings(**chosen)
    near = neighbours_of(vectors, given_settings.neighbours)
    found = fit(vectors, near, given_settings, known)
    assert found.labels.shape == (len(vectors),)
    assert found.labels.dtype == np.int32
    sizes = np.bincount(found.labels)
    assert (sizes > 0).all()
    assert (np.diff(sizes) <= 0).all()
    assert found.criterion["chosen"] == len(sizes)
    assert len(sizes) <= max(1, given_settings.max_topics) or chosen.get("topics")
    json.dumps(found.criterion, allow_nan=False)
    assert found.method
    assert (found.stability is None) == (len(vectors) < FEW)
    return found


def kinds(count: int, each: int) -> NDArray[np.int64]:
    return np.repeat(np.arange(count), each)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_heaps(method: str) -> None:
    found = checked(heaps(4, 30), method=method, topics=4)
    assert adjusted_rand_score(found.labels, kinds(4, 30)) == 1
    assert found.stability == 1


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_same_twice(method: str) -> None:
    vectors = heaps(5, 16, 0.4)
    first, second = (checked(vectors, method=method) for _ in range(2))
    assert (first.labels == second.labels).all()
    assert first.stability == second.stability


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_a_few_texts_are_grouped_by_every_method(method: str, size: int) -> None:
    checked(heaps(1, size), method=method)


ODD = {
    "all nearly equal": unit(
        (np.ones((80, 8)) + 1e-4 * np.random.default_rng(0).normal(size=(80, 8))).astype(np.float32)
    ),
    "nothing in common": np.eye(70, dtype=np.float32),
    "noise": unit(np.random.default_rng(0).normal(size=(120, 32)).astype(np.float32)),
    "opposites": np.repeat(np.array([[1, 0], [-1, 0]], np.float32), 40, axis=0),
    "one giant and a few": np.concatenate([heaps(1, 150, 0.05), heaps(8, 1)[1:]]),
}


@pytest.mark.parametrize("method", ["graph", "kmeans", "agglomerative"])
@pytest.mark.parametrize("topics", ["auto", 3])
@pytest.mark.parametrize("name", ODD)
def test_odd_vectors_are_grouped(name: str, topics: Any, method: str) -> None:
    checked(ODD[name], method=method, topics=topics)


@pytest.mark.parametrize("name", ["opposites", "noise"])
def test_odd_vectors_are_grouped_by_their_density(name: str) -> None:
    checked(ODD[name], method="hdbscan")


@pytest.mark.parametrize("asked", [1, 2, 7, 25, 60, 200])
def test_exactly_as_many_topics_as_asked_for_come_from_the_graph(asked: int) -> None:
    found = checked(heaps(6, 14, 0.3), method="graph", topics=asked)
    assert found.labels.max() + 1 == min(asked, 84)
    assert found.criterion == {"rule": "as set", "asked": asked, "chosen": min(asked, 84)}


def test_no_more_topics_than_allowed_are_chosen() -> None:
    assert checked(heaps(20, 12), max_topics=5).labels.max() < 5


def test_no_topic_of_the_graph_is_tiny() -> None:
    vectors = np.concatenate([heaps(3, 40), heaps(7, 1)[3:]])
    assert np.bincount(checked(vectors).labels).min() >= 3


def test_another_seed_gives_nearly_the_same_topics() -> None:
    vectors = heaps(12, 40, 0.33)
    found = [checked(vectors, seed=seed).labels for seed in range(3)]
    assert min(adjusted_rand_score(found[0], other) for other in found[1:]) >= 0.9


def test_the_criterion_lists_what_was_tried_and_chosen() -> None:
    criterion = checked(heaps(6, 20)).criterion
    tried = criterion["tried"][f"{criterion['resolution']:g}"]
    best = max(one["agreement"] for one in criterion["tried"].values())
    assert tried["agreement"] >= ALIKE * best
    assert tried["topics"] == 6


def test_few_texts_are_grouped_by_wards_method_and_the_silhouette() -> None:
    found = checked(heaps(3, 8))
    assert "Ward" in found.method
    assert adjusted_rand_score(found.labels, kinds(3, 8)) == 1
    assert max(found.criterion["silhouettes"], key=found.criterion["silhouettes"].get) == "3"


def test_unstable_topics_have_a_low_stability() -> None:
    stable, unstable = checked(heaps(4, 30)).stability, checked(ODD["noise"]).stability
    assert stable == 1
    assert unstable is not None
    assert unstable < 0.6


def test_known_topics_keep_their_texts_where_the_vectors_leave_it_open() -> None:
    vectors = heaps(8, 40, 0.3)
    known = checked(vectors[::2]).labels
    before = np.repeat(known, 2)  # neighbours in the list are of one heap
    fresh = adjusted_rand_score(checked(vectors).labels[::2], known)
    kept = adjusted_rand_score(checked(vectors, before).labels[::2], known)
    assert fresh < 0.9
    assert kept > 0.95


def test_texts_of_a_new_kind_become_a_topic_beside_the_known_ones() -> None:
    vectors = heaps(5, 30)
    before = kinds(5, 30).astype(np.int32)
    before[120:] = 0
    for unknown in (0, -1):
        before[120:] = unknown
        found = checked(vectors, before)
        assert adjusted_rand_score(found.labels, kinds(5, 30)) == 1


def test_topics_of_which_none_is_known_change_nothing() -> None:
    vectors = heaps(5, 16, 0.4)
    unknown = np.full(80, -1, np.int32)
    assert (checked(vectors, unknown).labels == checked(vectors).labels).all()


def test_k_means_takes_directions_only_and_fills_every_group() -> None:
    vectors = heaps(6, 10)
    labels = spherical_kmeans(vectors, 6, 0)
    assert adjusted_rand_score(labels, kinds(6, 10)) == 1
    assert len(np.unique(spherical_kmeans(vectors, 60, 0))) == 60


def test_k_means_of_very_many_vectors_is_fitted_to_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusemine.tasks.mine.topic_chain.grouping.kmeans.MANY", 100)
    labels = spherical_kmeans(heaps(4, 60), 4, 0)
    assert adjusted_rand_score(labels, kinds(4, 60)) == 1


@given(st.integers(1, 10**6), st.integers(2, 200))
def test_numbers_of_topics_that_are_tried_are_bounded(size: int, most: int) -> None:
    tried = candidate_counts(size, most)
    assert tried == sorted(set(tried))
    least, limit = count_bounds(size, most)
    assert 2 <= least <= limit <= most
    assert all(k <= min(most, size) for k in tried)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 5),
    st.integers(0, 9),
    st.sampled_from(METHODS[::3]),
    st.sampled_from(["auto", 1, 4]),
)
def test_every_text_gets_one_topic_for_any_vectors(
    size: int, rank: int, seed: int, method: str, topics: Any
) -> None:
    draw = np.random.default_rng(seed)
    spots = draw.normal(size=(rank, 6))[draw.integers(rank, size=size)]
    vectors = unit((spots + 0.1 * draw.normal(size=(size, 6))).astype(np.float32))
    checked(vectors, method=method, topics=topics)
