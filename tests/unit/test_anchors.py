"""Placing texts beside the texts that topics were made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusemine.tasks.core.vectors import unit
from fusemine.tasks.mine.topic_chain.contracts import ANCHORS
from fusemine.tasks.mine.topic_chain.reference_texts import (
    Anchors,
    from_table,
    outlier_bar,
    rounded,
    to_table,
)

Floats = NDArray[np.float32]


def heaps(each: int, topics: int = 3, dimension: int = 16) -> tuple[Floats, NDArray[np.int32]]:
    """Vectors in heaps around as many axes, and the heap of each."""
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(topics, dtype=np.int32), each)
    noise = draw.normal(scale=0.1, size=(len(labels), dimension)).astype(np.float32)
    return unit(np.eye(topics, dimension, dtype=np.float32)[labels] + noise), labels


def anchors(each: int = 20, topics: int = 3) -> Anchors:
    vectors, labels = heaps(each, topics)
    draw = np.random.default_rng(1)
    places = draw.normal(size=(len(labels), 2)).astype(np.float32) + 10 * labels[:, None]
    return rounded(Anchors(vectors, labels * 5 + 2, places))


def test_a_text_that_is_an_anchor_keeps_its_topic_and_its_place() -> None:
    known = anchors()
    placed = known.place(known.vectors)
    assert placed.known.all()
    assert (placed.topics == known.topics).all()
    assert np.allclose(placed.places, known.places, atol=1e-3)


def test_an_anchor_keeps_its_topic_even_amid_another() -> None:
    known = anchors()
    stray = Anchors(known.vectors, np.where(np.arange(60) == 3, 12, known.topics), known.places)
    assert stray.place(stray.vectors).topics[3] == 12


def test_a_new_text_joins_the_topic_around_it_and_lies_among_its_texts() -> None:
    known = anchors()
    new = unit(np.eye(1, 16, 1, dtype=np.float32) + 0.05)
    placed = known.place(new)
    assert placed.topics.tolist() == [7]
    assert not placed.known[0]
    ours = known.places[known.topics == 7]
    assert (placed.places[0] >= ours.min(axis=0)).all()
    assert (placed.places[0] <= ours.max(axis=0)).all()


def test_a_text_between_two_topics_has_the_other_as_its_second_and_less_strength() -> None:
    known = anchors()
    middle = unit(np.array([[1.0, 0.9] + [0.0] * 14], np.float32))
    placed = known.place(middle)
    assert {int(placed.topics[0]), int(placed.second[0])} == {2, 7}
    sure = known.place(known.vectors[:1])
    assert placed.strengths[0] <= sure.strengths[0] == 1


def test_where_all_neighbours_agree_the_second_is_the_topic_of_the_next_centre() -> None:
    known = anchors()
    towards_the_third = unit(np.array([[1.0, 0.0, 0.4] + [0.0] * 13], np.float32))
    placed = known.place(towards_the_third)
    assert (placed.topics.tolist(), placed.second.tolist()) == ([2], [12])


def test_with_one_topic_there_is_no_second() -> None:
    vectors, _ = heaps(10, 1)
    known = Anchors(vectors, np.zeros(10, np.int32), np.zeros((10, 2), np.float32))
    assert known.place(vectors).second.tolist() == [-1] * 10


def test_a_single_anchor_takes_every_text() -> None:
    known = Anchors(*[heaps(1, 1)[0]], np.zeros(1, np.int32), np.ones((1, 2), np.float32))
    placed = known.place(heaps(5, 3)[0])
    assert placed.topics.tolist() == [0] * 15
    assert np.isfinite(placed.places).all()


def test_no_texts_are_placed_as_none() -> None:
    placed = anchors().place(np.empty((0, 16), np.float32))
    assert len(placed.topics) == 0
    assert placed.places.shape == (0, 2)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 59), min_size=1, max_size=20))
def test_a_text_is_placed_alike_whatever_comes_with_it(chosen: list[int]) -> None:
    known = anchors()
    draw = np.random.default_rng(2)
    asked = unit(known.vectors + draw.normal(scale=0.2, size=(60, 16)).astype(np.float32))
    every, some = known.place(asked), known.place(asked[chosen])
    for field in ("topics", "second", "strengths", "closeness", "places"):
        assert (getattr(every, field)[chosen] == getattr(some, field)).all()


def test_anchors_come_back_from_their_table_as_they_were_rounded() -> None:
    known = anchors()
    table = to_table(known)
    ANCHORS.check(table)
    again = from_table(table)
    assert (again.vectors == known.vectors).all()
    assert (again.topics == known.topics).all()
    assert (again.places == known.places).all()


@pytest.mark.parametrize("most", [0.0, 0.02, 0.1])
def test_no_more_than_the_stated_share_is_below_the_bar(most: float) -> None:
    closeness = np.random.default_rng(0).normal(0.6, 0.1, 1_000).astype(np.float32)
    closeness[:200] = 0.05
    assert (closeness < outlier_bar(closeness, most)).mean() <= most


def test_only_what_is_far_from_the_usual_is_below_the_bar() -> None:
    closeness = np.full(1_000, 0.6, np.float32)
    closeness[:10] = 0.1
    assert (closeness < outlier_bar(closeness, 0.05)).sum() == 10
    even = np.linspace(0.5, 0.7, 1_000, dtype=np.float32)
    assert not (even < outlier_bar(even, 0.05)).any()
