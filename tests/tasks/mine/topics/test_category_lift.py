"""Topics against categories: counts, lift, and which pairs are notable."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.mine.topics.category_lift import LEAST, category_lift
from fusemine.tasks.mine.topics.contracts import CROSSED

PAIRS = st.lists(st.tuples(st.sampled_from(["x", "y", "z", None]), st.integers(-1, 3)), max_size=60)


def checked(topics: Any, most_levels: int = 12, **columns: list[str | None]) -> pl.DataFrame:
    """The pairs, which keep their contract."""
    clean = pl.DataFrame(
        {f"category.{name}": pl.Series(values, dtype=pl.String) for name, values in columns.items()}
    )
    found = category_lift(clean, np.asarray(topics, np.int64), most_levels)
    CROSSED.check(found.to_arrow())
    return found


def pair(found: pl.DataFrame, level: str, topic: int) -> dict[str, Any]:
    """One pair."""
    return found.filter(pl.col("level") == level, pl.col("topic") == topic).row(0, named=True)


@given(PAIRS)
def test_every_row_with_a_text_and_a_value_is_counted_once(
    pairs: list[tuple[str | None, int]],
) -> None:
    found = checked([t for _, t in pairs], sky=[v for v, _ in pairs])
    known = [(v, t) for v, t in pairs if v is not None and t >= 0]
    if len({v for v, _ in known}) < 2:
        assert found.is_empty()
        return
    assert found["rows"].sum() == len(known)
    for level, topic, rows in found.select("level", "topic", "rows").iter_rows():
        assert rows == known.count((level, topic))


def test_lift_is_the_rows_over_those_of_independence() -> None:
    found = checked([0] * 10 + [1] * 10, sky=["x"] * 5 + ["y"] * 15)
    assert pair(found, "x", 0)["lift"] == pytest.approx(2)
    assert pair(found, "x", 0)["share"] == pytest.approx(0.5)
    assert pair(found, "y", 1)["lift"] == pytest.approx(10 / 7.5)


def test_what_comes_together_far_more_or_less_than_by_chance_is_notable() -> None:
    topics = np.arange(400) % 4
    sky = ["storm" if t == 0 and i % 8 < 4 else "clear" for i, t in enumerate(topics.tolist())]
    found = checked(topics, sky=sky).filter("notable")
    assert found.select("level", "topic").rows() == [("storm", t) for t in range(4)]
    assert found["lift"].to_list() == pytest.approx([4, 0, 0, 0])


def test_few_rows_are_not_notable() -> None:
    topics = [0] * (LEAST - 1) + [1] * 300
    assert not checked(topics, sky=["x"] * (LEAST - 1) + ["y"] * 300)["notable"].any()


def test_chance_alone_is_hardly_ever_notable() -> None:
    random = np.random.default_rng(0)
    topics, skies = random.integers(0, 20, 4000), random.integers(0, 12, 4000)
    found = checked(topics, sky=[str(sky) for sky in skies])
    assert found.height == 240
    assert found["notable"].sum() <= 1


def test_the_most_frequent_levels_are_looked_at_in_their_order() -> None:
    found = checked([0] * 6 + [1] * 4, most_levels=2, sky=[*"aaabbbbccd"])
    assert found["level"].unique(maintain_order=True).to_list() == ["b", "a"]
    # The levels that are left out count for the shares.
    assert pair(found, "b", 1)["share"] == pytest.approx(1 / 4)


def test_a_column_of_one_level_has_no_pairs() -> None:
    found = checked([0, 1, 0, 1], sky=["x", "x", None, "x"], land=[*"xyxy"])
    assert found["column"].unique().to_list() == ["land"]


def test_levels_that_begin_alike_stay_apart() -> None:
    levels = ["x" * 5000 + "a", "x" * 5000 + "b", "a\nb", "a b"]
    found = checked([0, 1, 0, 1], sky=[*levels])
    assert sorted(found["level"].unique().to_list()) == sorted(levels)
    assert [pair(found, level, i % 2)["rows"] for i, level in enumerate(levels)] == [1] * 4


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_hardly_any_rows_make_no_trouble(rows: int) -> None:
    found = checked([0] * rows, sky=["x", "y", "z"][:rows])
    assert not found["notable"].any()


def test_a_table_without_categories_has_no_pairs() -> None:
    assert category_lift(pl.DataFrame({"text": ["a", "b"]}), np.array([0, 1])).is_empty()
