"""Texts that state the label: by a word of theirs, by the name of a class, by a number."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusemine.tasks.core.errors import QUOTED
from fusemine.tasks.mine.classify.leakage.leaking_columns import MAX_ROWS
from fusemine.tasks.mine.classify.leakage.stated_labels import find_stated_labels
from fusemine.tasks.stats.target import Target

Codes = NDArray[np.int64]
NAMES = ["harmless", "serious"]
WORDS = ["bird", "wing", "runway", "gull", "crew", "light", "tail", "found"]
HOSTILE = "<script>alert(1)</script>\n" + "x" * 5000


def classes(rows: int = 400, share: float = 0.2, seed: int = 0) -> Codes:
    return (np.random.default_rng(seed).random(rows) < share).astype(np.int64)


def stated(texts: list[str], codes: NDArray[Any], names: list[str] = NAMES) -> dict[str, Any]:
    result = find_stated_labels(
        pl.DataFrame({"text": texts}, schema={"text": pl.String}), Target(codes, len(names)), names
    )
    json.dumps(result, allow_nan=False)
    return result


def words(codes: Codes, seed: int = 0) -> list[str]:
    """Texts of words that have nothing to do with the label."""
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, 4)) for _ in codes]


def test_a_word_that_only_one_class_has_states_it() -> None:
    codes = classes(600)
    texts = [
        f"{text} returned to land" if code and i % 3 else text
        for i, (text, code) in enumerate(zip(words(codes), codes, strict=True))
    ]
    result = stated(texts, codes)
    # Of three words with the same rows, the first by alphabet; "to land" holds a word of it.
    first = result["words"][0]
    rows = int((codes & (np.arange(600) % 3 > 0)).sum())
    assert (first["class"], first["rows"], first["precision"]) == ("serious", rows, 1)
    assert first["flagged"]
    assert f"in {rows} rows, of which 100 % are 'serious'" in first["why"]
    (together,) = result["together"]
    assert together["recall"] == pytest.approx(rows / codes.sum(), abs=1e-3)


def test_a_sure_word_of_few_rows_is_listed_and_not_flagged() -> None:
    codes = classes(2000)
    few = np.flatnonzero(codes)[:20]
    texts = words(codes)
    for i in few:
        texts[i] += " aborted"
    (entry,) = stated(texts, codes)["words"]
    assert (entry["word"], entry["rows"], entry["flagged"]) == ("aborted", 20, False)


def test_a_word_that_goes_with_the_common_class_as_all_rows_do_is_not_listed() -> None:
    """Of its rows 97 % are harmless, surely more than the 90 % of all rows, and still no news."""
    codes = classes(4000, 0.1)
    has = np.random.default_rng(1).random(4000) < np.where(codes, 0.17, 0.6)
    texts = [f"{text} damage" if h else text for text, h in zip(words(codes), has, strict=True)]
    assert codes[has].mean() < 0.04
    result = stated(texts, codes)
    assert (result["words"], result["together"]) == ([], [])


@given(st.integers(0, 30))
def test_words_without_meaning_are_not_listed(seed: int) -> None:
    codes = classes(60, 0.5, seed)
    random = np.random.default_rng(seed)
    texts = [" ".join(f"w{k}" for k in random.integers(0, 60, 8)) for _ in codes]
    assert stated(texts, codes)["words"] == []


def test_with_many_classes_each_has_its_own_words() -> None:
    codes = np.random.default_rng(0).integers(0, 3, 600)
    marks = np.array(["alpha", "beta", "gamma"])[codes]
    texts = [f"{text} {mark}" for text, mark in zip(words(codes), marks, strict=True)]
    result = stated(texts, codes, ["a", "b", "c"])
    pairs = {(entry["class"], entry["word"]) for entry in result["words"]}
    assert pairs == {("a", "alpha"), ("b", "beta"), ("c", "gamma")}
    assert all(entry["flagged"] and entry["roc_auc"] == 1 for entry in result["words"])


def test_class_names_that_stand_in_their_own_texts_are_named() -> None:
    codes = np.random.default_rng(0).integers(0, 3, 300)
    names = ["Landing_Roll", "climb", "???"]
    texts = [
        f"{text} during LANDING  roll" if code == 0 else f"{text} climbed"
        for text, code in zip(words(codes), codes, strict=True)
    ]
    (entry,) = stated(texts, codes, names)["names"]
    assert (entry["class"], entry["own"], entry["others"]) == ("Landing_Roll", 1, 0)
    assert entry["flagged"]


def test_a_class_name_that_stands_in_all_texts_is_not_flagged() -> None:
    codes = classes()
    (entry,) = stated([f"{text} serious" for text in words(codes)], codes)["names"]
    assert (entry["own"], entry["others"], entry["flagged"]) == (1, 1, False)


def test_a_number_label_that_stands_in_its_text_is_named() -> None:
    values = np.random.default_rng(0).integers(1000, 9000, 200).astype(float)
    stating = [f"sold at {value:,.0f}.00 dollars" for value in values]
    (entry,) = stated(stating, values, [])["names"]
    assert (entry["own"], entry["others"], entry["flagged"]) == (1, 0, True)
    assert stated(["sold at 17 dollars"] * 200, values, [])["names"] == []


@pytest.mark.parametrize("texts", [[""] * 40, ["!?"] * 40, [f"w{i}" for i in range(40)]])
def test_texts_without_words_that_repeat_state_nothing(texts: list[str]) -> None:
    result = stated(texts, np.arange(40) % 2)
    assert (result["words"], result["names"], result["rows"]) == ([], [], 40)


def test_hostile_texts_are_quoted_in_short() -> None:
    codes = classes()
    names = ["fine", HOSTILE]
    texts = [HOSTILE if code else "all is well" for code in codes]
    for entry in stated(texts, codes, names)["words"]:
        assert len(entry["word"]) <= QUOTED
        assert "x" * QUOTED not in entry["why"]


@pytest.mark.parametrize("rows", [0, 1, 19])
def test_few_rows_state_nothing(rows: int) -> None:
    codes = np.arange(rows) % 2
    empty = {"rows": rows, "words": [], "together": [], "names": []}
    assert stated([NAMES[code] for code in codes], codes) == empty


def test_labels_that_do_not_vary_are_not_stated() -> None:
    assert stated(["a harmless bird"] * 60, np.zeros(60, np.int64))["names"] == []
    assert stated(["sold at 7"] * 60, np.full(60, 7.0), [])["names"] == []


def test_of_a_large_table_rows_are_read_that_are_evenly_spread() -> None:
    codes = np.arange(MAX_ROWS + 4000) % 2
    result = stated([["a bird", "the wing"][code] for code in codes], codes)
    assert result["rows"] == MAX_ROWS
    assert {entry["precision"] for entry in result["words"]} == {1}
