"""Giving texts the topics of the texts that these were made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.heaps import heaps

from fusemine.tasks.core.vectors import unit
from fusemine.tasks.mine.topic_chain.contracts import ANCHORS
from fusemine.tasks.mine.topic_chain.reference_texts import (
    ReferenceTexts,
    from_table,
    outlier_threshold,
    rounded,
    to_table,
)

Floats = NDArray[np.float32]


def references(each: int = 20, topics: int = 3) -> ReferenceTexts:
    """Texts of the topics 2, 7, 12 …, each around an axis and a place on the map."""
    labels = np.repeat(np.arange(topics, dtype=np.int32), each)
    draw = np.random.default_rng(1)
    places = draw.normal(size=(len(labels), 2)).astype(np.float32) + 10 * labels[:, None]
    vectors = heaps(topics, each, noise=0.1, dimension=16)
    return rounded(ReferenceTexts(vectors, labels * 5 + 2, places))


def test_a_reference_text_keeps_its_topic_and_its_place_on_the_map() -> None:
    known = references()
    assigned = known.assign(known.vectors)
    assert assigned.known.all()
    assert (assigned.topics == known.topics).all()
    assert np.allclose(assigned.coordinates, known.coordinates, atol=1e-3)


def test_a_reference_text_keeps_its_topic_even_amid_another() -> None:
    known = references()
    stray = ReferenceTexts(
        known.vectors, np.where(np.arange(60) == 3, 12, known.topics), known.coordinates
    )
    assert stray.assign(stray.vectors).topics[3] == 12


def test_a_new_text_joins_the_topic_around_it_and_lies_among_its_texts() -> None:
    known = references()
    new = unit(np.eye(1, 16, 1, dtype=np.float32) + 0.05)
    assigned = known.assign(new)
    assert assigned.topics.tolist() == [7]
    assert not assigned.known[0]
    ours = known.coordinates[known.topics == 7]
    assert (assigned.coordinates[0] >= ours.min(axis=0)).all()
    assert (assigned.coordinates[0] <= ours.max(axis=0)).all()


def test_a_text_between_two_topics_has_the_other_as_its_second_and_less_strength() -> None:
    known = references()
    middle = unit(np.array([[1.0, 0.9] + [0.0] * 14], np.float32))
    assigned = known.assign(middle)
    assert {int(assigned.topics[0]), int(assigned.second[0])} == {2, 7}
    sure = known.assign(known.vectors[:1])
    assert assigned.strengths[0] <= sure.strengths[0] == 1


def test_where_all_neighbours_agree_the_second_is_the_topic_of_the_next_centre() -> None:
    known = references()
    towards_the_third = unit(np.array([[1.0, 0.0, 0.4] + [0.0] * 13], np.float32))
    assigned = known.assign(towards_the_third)
    assert (assigned.topics.tolist(), assigned.second.tolist()) == ([2], [12])


def test_with_one_topic_there_is_no_second() -> None:
    vectors = heaps(1, 10)
    known = ReferenceTexts(vectors, np.zeros(10, np.int32), np.zeros((10, 2), np.float32))
    assert known.assign(vectors).second.tolist() == [-1] * 10


def test_a_single_reference_text_takes_every_text() -> None:
    known = ReferenceTexts(heaps(1, 1), np.zeros(1, np.int32), np.ones((1, 2), np.float32))
    assigned = known.assign(heaps(3, 5))
    assert assigned.topics.tolist() == [0] * 15
    assert np.isfinite(assigned.coordinates).all()


def test_no_texts_get_no_topics() -> None:
    assigned = references().assign(np.empty((0, 16), np.float32))
    assert len(assigned.topics) == 0
    assert assigned.coordinates.shape == (0, 2)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 59), min_size=1, max_size=20))
def test_a_text_gets_the_same_topic_and_place_beside_any_others(chosen: list[int]) -> None:
    known = references()
    draw = np.random.default_rng(2)
    asked = unit(known.vectors + draw.normal(scale=0.2, size=(60, 16)).astype(np.float32))
    every, some = known.assign(asked), known.assign(asked[chosen])
    for field in ("topics", "second", "strengths", "closeness", "coordinates"):
        assert (getattr(every, field)[chosen] == getattr(some, field)).all()


def test_reference_texts_come_back_from_their_table_as_they_were_rounded() -> None:
    known = references()
    table = to_table(known)
    ANCHORS.check(table)
    again = from_table(table)
    assert (again.vectors == known.vectors).all()
    assert (again.topics == known.topics).all()
    assert (again.coordinates == known.coordinates).all()


@pytest.mark.parametrize("most", [0.0, 0.02, 0.1])
def test_no_more_than_the_stated_share_are_outliers(most: float) -> None:
    closeness = np.random.default_rng(0).normal(0.6, 0.1, 1_000).astype(np.float32)
    closeness[:200] = 0.05
    assert (closeness < outlier_threshold(closeness, most)).mean() <= most


def test_only_texts_far_from_all_others_are_outliers() -> None:
    closeness = np.full(1_000, 0.6, np.float32)
    closeness[:10] = 0.1
    assert (closeness < outlier_threshold(closeness, 0.05)).sum() == 10
    even = np.linspace(0.5, 0.7, 1_000, dtype=np.float32)
    assert not (even < outlier_threshold(even, 0.05)).any()
