"""Which rows test the model, and the folds of the others: random, by group, by a column."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.frames import frame
from support.incidents import classified, incidents

from fusemine.tasks.mine.classify.settings import ClassifySettings
from fusemine.tasks.mine.classify.splits import Split, split_rows
from fusemine.tasks.stats.sampling import assign_folds, strata
from fusemine.tasks.stats.target import Target

SOME = st.lists(st.integers(0, 6), min_size=8, max_size=60)


def rows(groups: list[int | None], **columns: Any) -> pl.DataFrame:
    """Labelled rows of these groups."""
    count = len(groups)
    made: dict[str, Any] = {
        "row_id": [f"r{i}" for i in range(count)],
        "label": ["a", "b"] * (count // 2) + ["a"] * (count % 2),
        "duplicate_of": [None] * count,
        "group": [None if group is None else f"g{group}" for group in groups],
    }
    return frame(made | columns)


def every(split: Split) -> list[int]:
    """All positions that a split names."""
    parts = [split.train, split.test, split.unlabelled, split.unused]
    return sorted(np.concatenate(parts).tolist())


@given(SOME, st.integers(0, 5))
def test_whole_groups_are_test_rows(groups: list[int], seed: int) -> None:
    clean = rows(list(groups))
    split = split_rows(clean, ClassifySettings(split="group", seed=seed))
    assert every(split) == list(range(len(groups)))
    tested, trained = set(clean["group"][split.test]), set(clean["group"][split.train])
    assert not tested & trained
    if len(set(groups)) > 1:
        assert tested
        assert trained


@given(SOME, st.integers(2, 5))
def test_no_fold_parts_a_group_or_a_row_from_its_copy(groups: list[int], folds: int) -> None:
    copies = [None if i % 4 else f"r{i // 2}" for i in range(len(groups))]
    clean = rows(list(groups), duplicate_of=copies)
    target = Target(np.arange(len(groups)) % 2, 2)
    fold = assign_folds(target, clean, folds, 0)
    for group in set(groups):
        assert len(set(fold[np.array(groups) == group])) == 1
    for i, copy in enumerate(copies):
        assert copy is None or fold[i] == fold[int(copy[1:])]


def test_a_row_without_a_group_is_a_group_of_its_own() -> None:
    clean = rows([None] * 50)
    split = split_rows(clean, ClassifySettings(split="group", test_share=0.3))
    assert len(split.test) == 15
    fold = assign_folds(Target(np.zeros(50, dtype=np.int64), 2), clean, 5, 0)
    assert np.bincount(fold).tolist() == [10] * 5


@given(st.integers(10, 80), st.floats(0.05, 0.9), st.integers(0, 9))
def test_a_random_split_has_the_share_that_is_asked_for(
    count: int, share: float, seed: int
) -> None:
    settings = ClassifySettings(split="random", test_share=share, seed=seed)
    split = split_rows(rows([None] * count), settings)
    assert every(split) == list(range(count))
    assert abs(len(split.test) - share * count) <= 1
    again = split_rows(rows([None] * count), settings)
    np.testing.assert_array_equal(split.test, again.test)


def test_a_random_split_keeps_copies_together() -> None:
    copies = [None if i < 20 else f"r{i % 20}" for i in range(60)]
    split = split_rows(rows([None] * 60, duplicate_of=copies), ClassifySettings(split="random"))
    assert not {i % 20 for i in split.test} & {i % 20 for i in split.train}


def test_the_table_itself_may_name_the_test_rows() -> None:
    named = ["train", "test", "other", None] * 5
    split = split_rows(rows([None] * 20, split=named), ClassifySettings(split="column"))
    assert split.train.tolist() == list(range(0, 20, 4))
    assert split.test.tolist() == list(range(1, 20, 4))
    assert len(split.unused) == 10
    assert "10 labelled rows" in split.description


def test_rows_that_are_neither_training_nor_test_rows_are_predicted() -> None:
    clean, vectors = incidents(120)
    named = (["train"] * 3 + ["test", None]) * 24
    clean = clean.with_columns(split=pl.Series(named, dtype=pl.String))
    made = classified(clean, vectors, split="column")
    unused = made.predictions.filter(pl.col("split") == "unused")
    assert unused.height == 24
    assert unused["prediction"].null_count() == 0
    assert made.summary["rows"]["unused"] == 24


@pytest.mark.parametrize(("named", "side"), [("train", "judge with"), ("test", "learn from")])
def test_a_split_without_rows_on_one_side_is_skipped_with_its_reason(named: str, side: str) -> None:
    clean, vectors = incidents(60)
    clean = clean.with_columns(split=pl.lit(named))
    assert side in classified(clean, vectors, split="column").summary["skipped"]


def test_groups_are_learnt_from_without_a_leak() -> None:
    clean, vectors = incidents(200)
    # A group's name in every text and one label per group: only a row of the same group would help.
    groups = np.arange(200) // 4
    label = np.random.default_rng(0).choice(["positive", "negative"], 50)[groups]
    clean = clean.select("row_id", "event_time", "duplicate_of").with_columns(
        text=pl.Series([f"customer{g} calls" for g in groups]),
        label=pl.Series(label),
        group=pl.Series([f"g{g}" for g in groups]),
    )
    made = classified(clean, np.zeros_like(vectors), split="group")
    found = made.predictions.filter(pl.col("split") == "train")
    right = (found["label"] == found["prediction"]).mean()
    assert right < 0.7
    leaking = classified(clean.drop("group"), np.zeros_like(vectors), split="random").predictions
    assert (leaking["label"] == leaking["prediction"]).mean() > 0.9


@given(st.lists(st.floats(-1e6, 1e6), max_size=60))
def test_numbers_are_stratified_by_their_fifths(values: list[float]) -> None:
    codes = strata(Target(np.array(values), 0))
    assert codes.shape == (len(values),)
    order = np.argsort(values, kind="stable")
    assert (np.diff(codes[order]) >= 0).all()
    assert set(codes.tolist()) <= set(range(5))
