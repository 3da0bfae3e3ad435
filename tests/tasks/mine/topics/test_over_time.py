"""Topics over time: every row counted once, intervals, bursts."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusemine.tasks.mine.topics.contracts import SHARES
from fusemine.tasks.mine.topics.over_time import EARLIER, LEAST, over_time

Ints = NDArray[np.int64]
ROWS = st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(-1, 3)), max_size=60)


def checked(partitions: list[str], topics: Any) -> pl.DataFrame:
    """The shares, which keep their contract."""
    found = over_time(pl.Series(partitions, dtype=pl.String), np.asarray(topics, np.int64))
    SHARES.check(found.to_arrow())
    return found


def even(partitions: int, rows: int = 60, topics: int = 3) -> tuple[list[str], Ints]:
    """The same mixture of topics in every partition."""
    names = [f"p{place:03d}" for place in range(partitions) for _ in range(rows)]
    return names, np.arange(partitions * rows) % topics


@given(ROWS)
def test_every_row_with_a_text_is_counted_once(rows: list[tuple[str, int]]) -> None:
    found = checked([p for p, _ in rows], [t for _, t in rows])
    known = [(p, t) for p, t in rows if t >= 0]
    assert found["rows"].sum() == len(known)
    assert found.height == len({p for p, _ in known}) * len({t for _, t in known})
    for partition, shares in found.group_by("partition"):
        assert shares["share"].sum() == pytest.approx(1), partition


@given(ROWS, st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows: list[tuple[str, int]], random: Any) -> None:
    mixed = random.sample(rows, len(rows))
    tables = [checked([p for p, _ in some], [t for _, t in some]) for some in (rows, mixed)]
    assert tables[0].equals(tables[1])


def test_what_is_expected_is_the_share_so_far_of_the_partitions_rows() -> None:
    names, topics = even(8)
    found = checked(names, topics).filter(topic=0)
    assert found["expected"].null_count() == EARLIER
    assert found["expected"][EARLIER:].to_list() == pytest.approx([20] * 5, rel=0.02)
    assert not found["burst"].any()


def test_a_topic_that_comes_three_times_as_often_as_before_bursts_there_alone() -> None:
    names, topics = even(12)
    eighth = np.flatnonzero(np.array(names) == "p008")
    topics[eighth[:55]] = 2
    assert checked(names, topics).filter("burst").select("topic", "partition").rows() == [
        (2, "p008")
    ]


def test_a_topic_that_never_was_bursts_when_it_comes() -> None:
    names, topics = even(8)
    topics[-20:] = 7
    found = checked(names, topics).filter("burst").row(0, named=True)
    assert (found["topic"], found["partition"], found["rows"]) == (7, "p007", 20)
    assert found["expected"] < 1


def test_a_few_rows_are_no_burst_however_unexpected() -> None:
    names, topics = even(8)
    topics[-(LEAST - 1) :] = 7
    assert not checked(names, topics)["burst"].any()


def test_a_larger_partition_is_no_burst_of_what_is_in_it() -> None:
    names, topics = even(8)
    more, its = even(1, rows=600)
    assert not checked([*names, *("p999" for _ in more)], [*topics, *its])["burst"].any()


def test_a_topic_that_always_swings_does_not_burst_by_swinging() -> None:
    names, topics = even(30)
    odd = np.array([int(name[1:]) % 2 for name in names], bool)
    topics[odd & (np.arange(len(names)) % 60 < 45)] = 0
    assert not checked(names, topics).filter(pl.col("topic") == 0)["burst"].any()


def test_chance_alone_hardly_ever_bursts() -> None:
    random = np.random.default_rng(0)
    names, _ = even(60, rows=200)
    bursts = [checked(names, random.integers(0, 20, len(names)))["burst"].sum() for _ in range(10)]
    assert sum(bursts) <= 1


@pytest.mark.parametrize("partitions", [0, 1, 3, 4])
def test_few_partitions_have_shares_and_no_bursts(partitions: int) -> None:
    found = checked(*even(partitions))
    assert found.height == 3 * partitions
    assert not found["burst"].any()


def test_rows_without_text_have_no_shares() -> None:
    assert checked(["a", "b"], [-1, -1]).is_empty()
