"""Explained rows: their parts, and which rows are chosen."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.explained import BINARY, NUMBER, has, made, model, total, vectors_of, weighed, wide
from support.hostile_texts import HOSTILE

from fusemine.tasks.mine.classify.explain.explain import FEATURES, VALUE, explain_rows, pick_rows
from fusemine.tasks.mine.classify.explain.occlusion import GAP, PIECE, SHOWN


def test_values_are_shown_on_one_short_line() -> None:
    columns = {"number.height": [0.1 + 0.2, None] * 20, "category.sky": [None, "x\ty" * 99] * 20}
    rows = made(40, text=["a\n b " * 100] * 40, **columns)
    first, second = explain_rows(weighed(1, 1), rows.take(np.arange(2)), rows, NUMBER)
    shown = {feature.name: feature.value for feature in first.features}
    assert shown["height"] == "0.3"
    assert shown["sky"] == "(missing)"
    assert shown["text"].startswith("a b a b")
    assert shown["event_time"].startswith("1996-05-01")
    assert len(shown["text"]) == VALUE
    assert all(len(feature.value) <= VALUE for feature in second.features)


def test_the_columns_that_add_most_are_listed_and_the_others_summed() -> None:
    rows = wide(14)
    (found,) = explain_rows(weighed(*range(14)), rows.take(np.array([0])), rows, NUMBER)
    sizes = [abs(feature.contribution) for feature in found.features]
    assert len(sizes) == FEATURES
    assert sizes == sorted(sizes, reverse=True)
    assert found.others != 0
    assert total(found) == pytest.approx(found.prediction)


def test_hostile_content_stays_as_it_is_and_fits_json() -> None:
    count = len(HOSTILE)
    rows = made(count, text=HOSTILE, row_id=HOSTILE, **{"category.<b>{{x}}": HOSTILE})
    predict = model(rows, np.arange(count) % 2)
    explained = explain_rows(predict, rows, rows, BINARY, encode=vectors_of)
    for text, found in zip(HOSTILE, explained, strict=True):
        assert found.row_id == text
        assert total(found) == pytest.approx(found.prediction)
        cut = [word if len(word) <= PIECE else word[: PIECE - 1] + GAP for word in text.split()]
        assert [word.text for word in found.words] == cut
        stored = found.to_json()
        assert json.loads(json.dumps(stored, allow_nan=False)) == stored
        assert len(json.dumps(stored["words"], ensure_ascii=False)) < 2 * SHOWN


def test_a_table_without_text_has_no_words() -> None:
    rows = wide(2)
    for found in explain_rows(weighed(1, 2), rows.take(np.arange(3)), rows, NUMBER):
        assert found.words == ()
        assert {f.name: f.contribution for f in found.features}["text"] == pytest.approx(0)


def test_a_table_of_texts_alone_is_explained_by_its_words() -> None:
    none = dict.fromkeys(["event_time", "number.height", "number.speed", "category.sky"])
    rows = made(**none)
    (found,) = explain_rows(model(rows, has(rows, "gull")), rows.take(np.array([0])), rows, BINARY)
    assert [feature.name for feature in found.features] == ["text"]
    assert total(found) == pytest.approx(found.prediction)
    assert [word.text for word in found.words] == rows.texts[0].split()


def test_no_rows_have_no_explanations() -> None:
    rows = wide(2)
    assert explain_rows(weighed(1, 2), rows.take(np.arange(0)), rows, NUMBER) == []


def test_rows_to_explain_are_sure_mistaken_and_close_in_equal_parts() -> None:
    yes = np.array([0.99, 0.98, 0.97, 0.52, 0.49, 0.01, 0.95, 0.05, 0.02])
    truth = np.array([1, 0, 1, 1, 0, 0, 1, 1, -1])
    found = pick_rows(np.column_stack([1 - yes, yes]), truth, 6, positive=1)
    # Of the mistakes, a false alarm and a positive that was missed.
    assert [choice.row for choice in found] == [0, 2, 1, 7, 4, 3]
    assert [choice.why for choice in found] == [*["surest"] * 2, *["mistake"] * 2, *["close"] * 2]


def test_the_threshold_decides_what_is_called_positive_and_what_is_close_to_it() -> None:
    yes = np.array([0.25, 0.15, 0.9, 0.6])
    found = pick_rows(np.column_stack([1 - yes, yes]), np.array([0, 1, 1, 1]), 4, 0, 1, 0.2)
    whys = {choice.row: choice.why for choice in found}
    assert whys == {2: "surest", 1: "mistake", 0: "close", 3: "surest"}


def test_without_mistakes_other_rows_take_their_place() -> None:
    yes = np.linspace(0.1, 0.9, 9)
    table = np.column_stack([1 - yes, yes])
    for truth in (np.full(9, -1), (yes >= 0.5).astype(int)):
        found = pick_rows(table, truth, 4, positive=1)
        assert sorted(choice.why for choice in found) == ["close", "close", "surest", "surest"]


def test_of_numbers_the_highest_the_most_wrong_and_the_most_typical_are_chosen() -> None:
    numbers = np.array([[1.0], [2.0], [3.0], [4.0], [50.0]])
    found = pick_rows(numbers, np.array([1.0, 9.0, 3.0, np.nan, 50.0]), 3)
    whys = [(choice.row, choice.why) for choice in found]
    assert whys == [(4, "highest"), (1, "error"), (2, "typical")]


@given(
    st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), max_size=30),
    st.integers(0, 12),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_chosen_rows_are_distinct_and_as_many_as_wanted(
    shares: list[list[float]], count: int, positive: int | None, labelled: bool
) -> None:
    table = np.array(shares).reshape(-1, 3)
    table = table / table.sum(axis=1, keepdims=True)
    truth = np.arange(len(table)) % 4 - 1 if labelled else np.full(len(table), -1)
    found = pick_rows(table, truth, count, 1, positive)
    chosen = [choice.row for choice in found]
    assert len(set(chosen)) == len(chosen) == min(count, len(table))
    assert found == pick_rows(table, truth, count, 1, positive)
    for choice in found:
        if choice.why == "mistake":
            assert 0 <= truth[choice.row] != table[choice.row].argmax()
