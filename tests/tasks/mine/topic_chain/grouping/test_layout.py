"""The map: principal components, UMAP, and maps that begin from an earlier one."""

from __future__ import annotations

import ast
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.heaps import heaps

from fusemine.tasks.core.vectors import unit
from fusemine.tasks.mine.topic_chain.grouping.graph import neighbours_of
from fusemine.tasks.mine.topic_chain.grouping.layout import (
    SMALL,
    aligned,
    layout,
    principal_components,
    reduce_dimensions,
)
from fusemine.tasks.mine.topic_chain.grouping.quality import silhouette

Floats = NDArray[np.float32]


def mapped(vectors: Floats, start: Floats | None = None, neighbours: int = 15) -> Floats:
    return layout(vectors, neighbours_of(vectors, neighbours), 0, start)


@pytest.mark.parametrize("rows", [1, 2, 3, 10])
def test_few_vectors_are_drawn_by_their_principal_components(rows: int) -> None:
    places = mapped(heaps(1, rows))
    assert places.shape == (rows, 2)
    assert places.dtype == np.float32
    assert np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == rows


def test_principal_components_do_not_depend_on_the_sign_of_the_solver() -> None:
    vectors = heaps(2, 8)
    assert (principal_components(vectors) == principal_components(vectors.copy(order="F"))).all()


def test_equal_vectors_lie_in_one_place() -> None:
    assert (principal_components(np.ones((4, 5), np.float32)) == 0).all()


def test_the_map_keeps_heaps_together_and_comes_out_the_same_twice() -> None:
    vectors = heaps(4, SMALL)
    places = mapped(vectors)
    labels = np.repeat(np.arange(4, dtype=np.int32), SMALL)
    assert silhouette(places, labels, "euclidean") > 0.5
    assert (places == mapped(vectors)).all()
    assert (places == places.round(3)).all()


@pytest.mark.parametrize("rank", [0, 1])
def test_umap_survives_vectors_on_a_point_or_a_line(rank: int) -> None:
    steps = np.linspace(0, 1e-3 * rank + 1e-6, SMALL + 9)
    places = mapped(unit((np.outer(steps, [0, 1, 0, 0]) + np.eye(4)[0]).astype(np.float32)))
    assert np.isfinite(places).all()


def test_more_neighbours_than_vectors_are_taken_as_all() -> None:
    assert np.isfinite(mapped(heaps(3, 20), neighbours=200)).all()


def test_a_map_that_begins_from_an_earlier_one_looks_like_it() -> None:
    vectors = heaps(5, 30, 0.2, dimension=24)
    known = np.flatnonzero(np.arange(150) % 5 != 4)
    earlier = mapped(vectors[known])
    start = earlier[np.searchsorted(known, np.arange(150), side="right") - 1]
    later = mapped(vectors, start)

    def moved(places: Floats) -> float:
        return float(np.median(np.hypot(*(places[known] - earlier).T)) / earlier.std())

    assert moved(later) < 0.4
    assert moved(later) < moved(mapped(vectors))
    labels = np.repeat(np.arange(5, dtype=np.int32), 30)
    assert silhouette(later, labels, "euclidean") > 0.5
    assert (later == mapped(vectors, start)).all()


@pytest.mark.parametrize("places", [1, 3])
def test_an_earlier_map_of_hardly_any_places_is_left_aside(places: int) -> None:
    vectors = heaps(3, 30)
    start = np.zeros((90, 2), np.float32)
    start[:places] += np.arange(places, dtype=np.float32)[:, None]
    assert (mapped(vectors, start) == mapped(vectors)).all()


@given(st.floats(-3, 3), st.floats(0.1, 9), st.booleans(), st.integers(0, 99))
def test_a_turned_mirrored_and_scaled_map_is_turned_back(
    angle: float, scale: float, mirror: bool, seed: int
) -> None:
    start = np.random.default_rng(seed).normal(size=(8, 2)).astype(np.float32)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = start @ turn * scale * ([1, -1] if mirror else [1, 1]) + [5, -2]
    assert np.allclose(aligned(turned.astype(np.float32), start), start, atol=1e-3)


@pytest.mark.parametrize("size", [10, SMALL + 10])
def test_vectors_can_be_brought_to_more_dimensions_than_a_map_has(size: int) -> None:
    vectors = heaps(2, size // 2)
    assert reduce_dimensions(vectors, neighbours_of(vectors, 9), 5, 0).shape == (size, 5)


_COMPILED = """
import numpy as np
from numba.core import event
from fusemine.tasks.mine.topic_chain.grouping.graph import neighbours_of
from fusemine.tasks.mine.topic_chain.grouping.layout import layout

listener = event.RecordingListener()
event.register("numba:compile", listener)
vectors = np.eye(60, dtype=np.float32)
layout(vectors, neighbours_of(vectors, 5), 0)
print({event.data["dispatcher"].py_func.__qualname__ for _, event in listener.buffer})
"""


def test_what_umap_needs_is_compiled_once_for_all_processes() -> None:
    mapped(np.eye(60, dtype=np.float32), neighbours=5)
    command = [sys.executable, "-c", _COMPILED]
    later = subprocess.run(command, capture_output=True, text=True, check=True)
    # UMAP asks for these two when it is imported.
    assert ast.literal_eval(later.stdout) == {"tau_rand", "tau_rand_int"}
