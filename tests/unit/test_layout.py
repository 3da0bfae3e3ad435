"""The map: neighbours, main components, UMAP, and the place of further vectors."""

from __future__ import annotations

import ast
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.sampling import evenly
from tasks.texts.distinct import same_vectors
from tasks.texts.nearest import nearest
from tasks.topics.grouping import candidates, group, silhouette, strengths
from tasks.topics.layout import SMALL, layout, place, principal
from tasks.topics.settings import ClusterSettings

Floats = NDArray[np.float32]


def unit(vectors: Floats) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def themes(count: int, each: int, seed: int = 0, noise: float = 0.2) -> Floats:
    """`each` vectors around every one of `count` centres, theme by theme."""
    draw = np.random.default_rng(seed)
    centres = np.eye(24)[np.arange(count) % 24]
    return unit(np.repeat(centres, each, axis=0) + noise * draw.normal(size=(count * each, 24)))


def test_nearest_finds_what_a_full_search_finds() -> None:
    vectors = themes(5, 60)
    near, similar = nearest(vectors[:40], vectors, 7)
    every = vectors[:40] @ vectors.T
    assert np.allclose(similar, -np.sort(-every, axis=1)[:, :7], atol=1e-6)
    assert (near[:, 0] == np.arange(40)).all()


def test_nearest_takes_all_where_there_are_no_more() -> None:
    vectors = themes(1, 3)
    near, _ = nearest(vectors, vectors, 3)
    assert np.sort(near, axis=1).tolist() == [[0, 1, 2]] * 3


@pytest.mark.parametrize("rows", [1, 2, 3, 10])
def test_few_vectors_are_drawn_by_their_main_components(rows: int) -> None:
    places = layout(themes(1, rows), 15, 0)
    assert places.shape == (rows, 2)
    assert places.dtype == np.float32
    assert np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == rows


def test_main_components_do_not_depend_on_the_sign_of_the_solver() -> None:
    vectors = themes(2, 8)
    assert (principal(vectors) == principal(vectors.copy(order="F"))).all()


def test_equal_vectors_lie_in_one_place() -> None:
    assert (principal(np.ones((4, 5), np.float32)) == 0).all()


def test_the_map_keeps_themes_together_and_comes_out_the_same_twice() -> None:
    vectors = themes(4, SMALL)
    places = layout(vectors, 15, 0)
    labels = np.repeat(np.arange(4, dtype=np.int32), SMALL)
    assert silhouette(places, labels) > 0.5
    assert (places == layout(vectors, 15, 0)).all()
    assert (places == places.round(3)).all()


@pytest.mark.parametrize("rank", [0, 1])
def test_umap_survives_vectors_on_a_point_or_a_line(rank: int) -> None:
    steps = np.linspace(0, 1e-3 * rank + 1e-6, SMALL + 9)
    places = layout(unit(np.outer(steps, [0, 1, 0, 0]) + np.eye(4)[0]), 15, 0)
    assert np.isfinite(places).all()


def test_more_neighbours_than_vectors_are_taken_as_all() -> None:
    assert np.isfinite(layout(themes(3, 20), 200, 0)).all()


def test_a_further_vector_is_placed_beside_its_own_kind() -> None:
    known = themes(2, 20)
    places = np.repeat(np.array([[0, 0], [9, 9]], np.float32), 20, axis=0)
    topics = np.repeat(np.array([0, 1], np.int32), 20)
    found, chosen = place(themes(2, 5, seed=1), known, places, topics)
    assert chosen.tolist() == [0] * 5 + [1] * 5
    assert (found == np.repeat(np.array([[0, 0], [9, 9]]), 5, axis=0)).all()


def test_vectors_that_differ_by_noise_are_the_same() -> None:
    vectors = np.array([[1, 0], [1, 1e-6], [0, 1], [1, -0.0]], np.float32)
    first, of_row = same_vectors(vectors)
    assert first.tolist() == [0, 2]
    assert of_row.tolist() == [0, 0, 1, 0]


def test_the_number_of_groups_is_the_number_of_islands() -> None:
    islands = np.repeat(np.array([[0, 0], [50, 0], [0, 50], [50, 50]], np.float32), 30, axis=0)
    points = islands + np.random.default_rng(0).normal(size=islands.shape).astype(np.float32)
    groups = group(points, ClusterSettings())
    assert groups.criterion["chosen"] == len(groups.centres) == 4
    assert len(np.unique(groups.labels.reshape(4, 30), axis=1).ravel()) == 4


def test_the_number_of_topics_can_be_set() -> None:
    points = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    assert len(group(points, ClusterSettings(topics=7)).centres) == 7
    assert len(group(points[:3], ClusterSettings(topics=7)).centres) == 3


@given(st.integers(1, 10**6), st.integers(2, 100))
def test_numbers_of_topics_that_are_tried_are_bounded(points: int, most: int) -> None:
    tried = candidates(points, ClusterSettings(max_topics=most))
    assert tried == sorted(set(tried))
    assert all(2 <= k <= min(most, points) for k in tried)
    assert tried or points < 6


@given(st.integers(0, 1000), st.integers(1, 300))
def test_an_even_sample_is_ordered_and_bounded(size: int, most: int) -> None:
    chosen = evenly(size, most)
    assert len(chosen) == min(size, most)
    assert (np.diff(chosen) > 0).all()
    assert size == 0 or (chosen[0] == 0 and chosen[-1] < size)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 3))
def test_strengths_lie_between_border_and_centre(points: int, topics: int, seed: int) -> None:
    places = np.random.default_rng(seed).integers(0, 3, (points, 2)).astype(np.float32)
    groups = group(places, ClusterSettings(topics=topics))
    found = strengths(places, groups)
    assert ((found >= 0) & (found <= 1)).all()
    assert len(groups.centres) <= min(points, topics)


def test_a_silhouette_of_one_group_is_zero() -> None:
    assert silhouette(np.zeros((5, 2), np.float32), np.zeros(5, np.int32)) == 0


_COMPILED = """
import subprocess
import sys

import numpy as np
from numba.core import event
from tasks.topics.layout import layout

listener = event.RecordingListener()
event.register("numba:compile", listener)
layout(np.eye(60, dtype=np.float32), 5, 0)
print({event.data["dispatcher"].py_func.__qualname__ for _, event in listener.buffer})
"""


def test_what_umap_needs_is_compiled_once_for_all_processes() -> None:
    layout(np.eye(60, dtype=np.float32), 5, 0)
    command = [sys.executable, "-c", _COMPILED]
    later = subprocess.run(command, capture_output=True, text=True, check=True)
    # UMAP asks for these two when it is imported.
    assert ast.literal_eval(later.stdout) == {"tau_rand", "tau_rand_int"}
