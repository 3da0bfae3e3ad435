"""The graph of the texts, its communities, and how groups are merged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage
from scipy.sparse import csr_matrix
from sklearn.metrics import adjusted_rand_score
from support.heaps import heaps

from fusemine.tasks.core.vectors import unit
from fusemine.tasks.mine.topic_chain.grouping.communities import (
    consensus,
    leiden,
    mean_rand_index,
    searches,
)
from fusemine.tasks.mine.topic_chain.grouping.graph import (
    by_size,
    centroids_of,
    graph_of,
    neighbours_of,
    propagate_labels,
)
from fusemine.tasks.mine.topic_chain.grouping.merging import (
    cut_tree,
    merge_closest,
    merge_small,
    ward,
)


def cliques(*sizes: int) -> csr_matrix:
    """Complete graphs beside each other."""
    whose = np.repeat(np.arange(len(sizes)), sizes)
    links = (whose[:, None] == whose).astype(np.float64)
    np.fill_diagonal(links, 0)
    return csr_matrix(links)


def test_a_vector_is_none_of_its_own_neighbours() -> None:
    vectors = heaps(3, 10)
    near = neighbours_of(vectors, 4)
    assert near.places.shape == near.similar.shape == (30, 4)
    assert (near.places != np.arange(30)[:, None]).all()
    assert (near.places // 10 == np.arange(30)[:, None] // 10).all()
    assert (np.diff(near.similar, axis=1) <= 0).all()


def test_near_copies_crowd_no_vector_into_its_own_neighbours() -> None:
    vectors = np.tile(unit(np.ones((1, 5), np.float32)), (9, 1))
    near = neighbours_of(vectors, 3)
    assert near.places.shape == (9, 3)
    assert (near.places != np.arange(9)[:, None]).all()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_few_vectors_have_all_others_as_neighbours(size: int) -> None:
    assert neighbours_of(heaps(1, size), 15).places.shape == (size, size - 1)


def test_the_graph_is_symmetric_and_its_links_are_positive() -> None:
    graph = graph_of(neighbours_of(heaps(4, 12), 5))
    assert (graph != graph.T).nnz == 0
    assert (graph.data > 0).all()
    assert graph.diagonal().sum() == 0


def test_vectors_that_have_nothing_in_common_are_not_linked() -> None:
    assert graph_of(neighbours_of(np.eye(6, dtype=np.float32), 3)).nnz == 0


def test_parts_of_a_graph_without_links_between_them_are_communities() -> None:
    found = leiden(cliques(9, 7, 1), 1.0, 0)
    assert by_size(found).tolist() == [0] * 9 + [1] * 7 + [2]


def test_a_graph_without_links_is_communities_of_one() -> None:
    assert leiden(csr_matrix((4, 4)), 1.0, 0).tolist() == [0, 1, 2, 3]


def test_searches_from_the_same_seed_are_the_same() -> None:
    graph = graph_of(neighbours_of(heaps(6, 20, 0.5), 8))
    first, second = searches(graph, 4.0, [3, 3])
    assert (first == second).all()


def test_a_consensus_depends_less_on_its_seeds_than_a_search_does() -> None:
    graph = graph_of(neighbours_of(heaps(12, 40, 0.33), 10))
    alone = mean_rand_index(searches(graph, 2.0, range(6)))
    together = mean_rand_index([consensus(graph, 2.0, range(s, s + 60)) for s in (0, 100, 200)])
    assert alone < 0.95
    assert together > max(0.9, alone)


def test_a_consensus_leaves_its_graph_as_it_was() -> None:
    graph = graph_of(neighbours_of(heaps(6, 20, 0.5), 8))
    before = graph.copy()
    consensus(graph, 4.0, range(4))
    assert (graph != before).nnz == 0


def test_nodes_without_a_group_join_their_neighbours_through_others_if_need_be() -> None:
    # 0 - 1 - 2 - 3, and 4 by itself; 2 and 3 are settled.
    links = csr_matrix(
        ([1.0] * 6, ([0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2])), (5, 5), dtype=np.float64
    )
    labels = np.array([1, 2, 0, 0, 3], np.int32)
    alone = np.array([True, True, False, False, True])
    assert propagate_labels(links, labels, alone).tolist() == [0, 0, 0, 0, 3]
    assert alone.tolist() == [True, True, False, False, True]


def test_small_groups_join_the_one_that_they_are_linked_to() -> None:
    vectors = heaps(3, 10)
    graph = graph_of(neighbours_of(vectors, 5))
    labels = np.repeat(np.arange(3, dtype=np.int32), 10)
    labels[[4, 5]] = 3
    labels[27] = 4
    found = merge_small(graph, vectors, labels, 3)
    assert found.tolist() == np.repeat([0, 1, 2], 10).tolist()


def test_small_groups_without_links_join_the_nearest_centroid() -> None:
    vectors = heaps(2, 6)
    labels = np.array([0] * 6 + [1] * 5 + [2], np.int32)
    found = merge_small(csr_matrix((12, 12)), vectors, labels, 2)
    assert found.tolist() == [0] * 6 + [1] * 6


def test_of_small_groups_only_the_largest_takes_the_others() -> None:
    labels = np.array([0, 1, 1, 2], np.int32)
    assert merge_small(csr_matrix((4, 4)), heaps(2, 2), labels, 3).tolist() == [0] * 4


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 25), st.integers(0, 5))
def test_ward_merges_single_points_as_scipy_does(size: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(size, 3))
    expected = linkage(points, "ward")[:, :2].astype(int)
    merges = ward(points, np.ones(size, int))
    for count in range(1, size + 1):
        mine, theirs = cut_tree(merges, size, count), cut_tree(expected, size, count)
        assert len(np.unique(mine)) == count
        assert adjusted_rand_score(mine, theirs) == 1


def test_ward_merges_groups_as_it_would_their_members() -> None:
    points = np.array([[0.0], [0.1], [1.0], [1.1], [1.2], [5.0]])
    labels = np.array([0, 0, 1, 1, 1, 2])
    whole = cut_tree(ward(points, np.ones(6, int)), 6, 2)
    centroids = centroids_of(points.astype(np.float32), labels.astype(np.int32))
    grouped = cut_tree(ward(centroids, np.bincount(labels)), 3, 2)
    assert adjusted_rand_score(whole, grouped[labels]) == 1


def test_a_small_group_is_merged_before_large_ones_that_are_closer() -> None:
    centres = np.array([[0.0], [2.0], [5.0]])
    assert ward(centres, np.array([100, 100, 1]))[0].tolist() == [1, 2]
    assert ward(centres, np.array([1, 1, 1]))[0].tolist() == [0, 1]


def test_merging_stops_at_the_number_of_groups_wanted() -> None:
    vectors = heaps(6, 5)
    labels = np.repeat(np.arange(6, dtype=np.int32), 5)
    assert merge_closest(vectors, labels, 4).max() == 3
    assert (merge_closest(vectors, labels, 9) == labels).all()


groups = st.lists(st.integers(-1, 6), min_size=1, max_size=30)


@given(groups)
def test_groups_are_numbered_from_the_largest_without_gaps(labels: list[int]) -> None:
    found = by_size(np.array(labels))
    sizes = np.bincount(found)
    assert (sizes > 0).all()
    assert (np.diff(sizes) <= 0).all()
    assert adjusted_rand_score(labels, found) == 1
    first = [found.tolist().index(group) for group in range(len(sizes))]
    assert all(
        a < b for a, b, s, t in zip(first, first[1:], sizes, sizes[1:], strict=False) if s == t
    )
