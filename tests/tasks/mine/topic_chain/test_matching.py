"""Finding known topics again in a new grouping."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusemine.tasks.mine.topic_chain.matching import Matching, match

Floats = NDArray[np.float32]


def matched(groups: list[int], before: list[int], alike: bool = False) -> Matching:
    """Match with centres like no known one, or with those of the topics 0, 1, 2 …"""
    count = max(groups) + 1
    centres = np.eye(count, 8, dtype=np.float32)
    known = sorted({b for b in before if b >= 0})
    theirs = {n: np.eye(1, 8, n if alike else 7, dtype=np.float32)[0] for n in known}
    return match(np.array(groups, np.int32), np.array(before, np.int32), centres, theirs)


def test_groups_of_the_same_texts_are_the_same_topics_in_any_order() -> None:
    found = matched([1, 1, 1, 0, 0, 2, 2, 2, 2], [4, 4, 4, 6, 6, 2, 2, 2, 2])
    assert found.same == {1: 4, 0: 6, 2: 2}
    assert not found.parts
    assert not found.into


def test_a_topic_cut_in_two_goes_on_as_its_larger_part_and_the_other_split_off() -> None:
    found = matched([0] * 6 + [1] * 4, [3] * 10)
    assert found.same == {0: 3}
    assert found.parts == {1: 3}
    assert (found.common(3, 1), found.texts_of(3)) == (4, 10)


def test_two_topics_in_one_group_go_on_as_the_larger_and_the_other_went_into_it() -> None:
    found = matched([0] * 10, [1] * 6 + [2] * 4)
    assert found.same == {0: 1}
    assert found.into == {2: 0}


def test_a_group_of_new_texts_is_no_known_topic() -> None:
    found = matched([0] * 5 + [1] * 5, [3] * 5 + [-1] * 5)
    assert found.same == {0: 3}
    assert not found.parts


def test_a_topic_that_is_scattered_goes_into_none() -> None:
    found = matched([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2], [1, 1, 1, 9, 2, 2, 2, 9, 3, 3, 3, 9])
    assert found.same == {0: 1, 1: 2, 2: 3}
    assert not found.into


def test_a_topic_without_a_text_in_common_is_found_by_its_centre() -> None:
    centres = np.eye(2, 8, dtype=np.float32)
    groups, before = np.array([0, 0, 1, 1], np.int32), np.full(4, -1, np.int32)
    assert match(groups, before, centres, {5: centres[1]}).same == {1: 5}
    far = np.eye(1, 8, 4, dtype=np.float32)[0]
    assert not match(groups, before, centres, {5: far}).same


def test_at_first_there_is_nothing_to_match() -> None:
    assert not matched([0, 0, 0], [-1, -1, -1]).same


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), min_size=1, max_size=60))
def test_every_topic_is_at_most_one_group_and_never_two_things(
    pairs: list[tuple[int, int]],
) -> None:
    seen = sorted({group for group, _ in pairs})
    groups = [seen.index(group) for group, _ in pairs]
    found = matched(groups, [before for _, before in pairs], alike=True)
    assert len(set(found.same.values())) == len(found.same)
    assert found.parts.keys().isdisjoint(found.same)
    assert set(found.into).isdisjoint(found.same.values())
    assert set(found.into.values()) <= found.same.keys()
