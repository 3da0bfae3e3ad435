"""Cleaning types every column, joins the texts and rejects what cannot be used."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.clean.compute import Cleaned, clean
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.table.roles import Columns


def raw(**columns: Any) -> pl.DataFrame:
    """Rows by the contract `raw`; the ids count them."""
    own = pl.DataFrame(columns, strict=False)
    ids = [f"r{i}" for i in range(own.height)]
    return own.select(
        pl.Series("row_id", ids, pl.String),
        pl.lit("1996-05").alias("partition"),
        pl.lit("a.csv").alias("source"),
        pl.all(),
    )


def run(rows: pl.DataFrame, timezone: str = "UTC", **settings: Any) -> Cleaned:
    """Clean rows; names that settings do not know are roles of columns."""
    known = {k: settings.pop(k) for k in list(settings) if k in CleanSettings.model_fields}
    columns = Columns.model_validate(settings or {"text": "t"})
    cleaned = clean(rows, columns, CleanSettings.model_validate(known), timezone)
    CLEAN.check(cleaned.rows.to_arrow())
    REJECTED.check(cleaned.rejected.to_arrow())
    assert cleaned.rows.height + cleaned.rejected.height == rows.height
    return cleaned


def column(cleaned: Cleaned, name: str) -> list[Any]:
    return cleaned.rows[name].to_list()


def test_every_role_becomes_a_typed_column() -> None:
    rows = raw(d=["1996-05-31"], t=["Hi &amp; bye"], c=[" x  y "], n=["1,234.5"], l=["yes"])
    cleaned = run(rows, time="d", known_at="d", text="t", category="c", number="n", label="l")
    assert cleaned.rows.to_dicts() == [
        {
            "row_id": "r0",
            "partition": "1996-05",
            "event_time": datetime(1996, 5, 31, tzinfo=UTC),
            "known_at": datetime(1996, 5, 31, tzinfo=UTC),
            "text": "Hi & bye",
            "label": "yes",
            "text.t": "Hi & bye",
            "category.c": "x y",
            "number.n": 1234.5,
            "has_text": True,
            "duplicate_of": None,
        }
    ]


def test_times_are_in_the_pipelines_zone() -> None:
    cleaned = run(raw(t=["a"], d=["1996-05-31"]), "America/New_York", text="t", time="d")
    assert column(cleaned, "event_time") == [datetime(1996, 5, 31, 4, tzinfo=UTC)]
    assert column(cleaned, "known_at") == [None]


def test_several_texts_are_joined_without_the_empty_ones() -> None:
    rows = raw(t=["a", None, " ", "c"], u=["b", "b", None, None], other=["x"] * 4)
    cleaned = run(rows, text=["u", "t"])
    assert column(cleaned, "text") == ["b\na", "b", "", "c"]
    assert column(cleaned, "text.t") == ["a", "", "", "c"]
    assert column(cleaned, "has_text") == [True, True, False, True]


def test_the_joiner_can_be_set() -> None:
    assert column(run(raw(t=["a"], u=["b"]), text=["t", "u"], joiner=" | "), "text") == ["a | b"]


def test_a_table_without_texts_has_empty_ones() -> None:
    cleaned = run(raw(c=["x", "y"]), category="c")
    assert column(cleaned, "text") == ["", ""]
    assert column(cleaned, "has_text") == [False, False]


def test_an_empty_text_is_kept() -> None:
    cleaned = run(raw(t=[None, "\u200b", "x"], c=["1", "2", "3"]), text="t", category="c")
    assert column(cleaned, "text") == ["", "", "x"]
    assert cleaned.rejected.height == 0


def test_cells_that_mean_nothing_are_null_after_cleaning() -> None:
    rows = raw(c=["N/A", " N/A ", "?", "n/a", ""], n=["?", "1", "2", "3", "4"])
    cleaned = run(rows, category="c", number="n", null_values=["N/A", "?"])
    assert column(cleaned, "category.c") == [None, None, None, "n/a", None]
    assert column(cleaned, "number.n") == [None, 1, 2, 3, 4]
    assert cleaned.unreadable == {"n": 0}


def test_giant_texts_are_cut() -> None:
    cleaned = run(raw(t=["x" * 1000]), text="t", max_characters=100)
    assert column(cleaned, "text") == ["x" * 100]


def test_typed_columns_of_parquet_become_text_categories_and_numbers() -> None:
    rows = raw(i=[7, None], b=[True, False], f=[0.5, None], d=[date(2020, 1, 2), None])
    cleaned = run(rows, category=["b", "d"], number=["i", "f"])
    found = cleaned.rows.select("category.b", "category.d", "number.i", "number.f").rows()
    assert found == [("true", "2020-01-02", 7.0, 0.5), ("false", None, None, None)]


def test_a_column_of_nulls_is_a_category_of_nulls() -> None:
    rows = raw(c=[None, None], t=["a", "b"])
    assert column(run(rows, category="c", text="t"), "category.c") == [None, None]


@pytest.mark.parametrize("name", ["row_id", "partition", "source"])
def test_a_users_column_is_found_under_its_stored_name(name: str) -> None:
    rows = raw(**{f"{name}_": ["1996-05-31"], "t": ["x"]})
    assert column(run(rows, text="t", category=name), f"category.{name}") == ["1996-05-31"]
    assert column(run(rows, text="t", time=name), "event_time")[0].year == 1996


@pytest.mark.parametrize("name", ["text", "label", "has_text", "duplicate_of"])
def test_a_users_column_with_a_name_of_the_clean_table_keeps_a_column_of_its_own(name: str) -> None:
    cleaned = run(raw(**{name: ["mine"], "t": ["x"]}), text="t", category=name)
    assert column(cleaned, f"category.{name}") == ["mine"]
    assert (column(cleaned, "text"), column(cleaned, "label")) == (["x"], [None])


def test_a_column_that_these_rows_lack_is_null() -> None:
    lacking = {"category": "later", "number": "more", "label": "l", "group": "g", "split": "s"}
    cleaned = run(raw(t=["x"]), text="t", **lacking)
    names = ["category.later", "number.more", "label", "group", "split"]
    assert cleaned.rows.select(names).rows() == [(None,) * 5]


LABELS: list[str | None] = ["a", "b", "A", None, " "]


@pytest.mark.parametrize(
    ("positive", "labels"),
    [
        (None, ["a", "b", "A", None, None]),
        ("present", ["positive", "positive", "positive", "negative", "negative"]),
        (["a", "b"], ["positive", "positive", "negative", None, None]),
        ("A", ["negative", "negative", "positive", None, None]),
    ],
    ids=["values", "present", "list", "one value"],
)
def test_the_label_follows_its_rule(positive: Any, labels: list[str | None]) -> None:
    rows = raw(l=LABELS, t=["t"] * 5)
    cleaned = run(rows, text="t", label={"column": "l", "positive": positive})
    assert column(cleaned, "label") == labels


def removed(cleaned: Cleaned) -> list[tuple[Any, ...]]:
    return [(*row[:4], json.loads(row[4])) for row in cleaned.rejected.rows()]


def test_a_row_whose_cells_are_all_empty_is_rejected() -> None:
    cleaned = run(raw(t=["a", None], other=[None, None]))
    assert column(cleaned, "row_id") == ["r0"]
    nothing = {"t": None, "other": None}
    assert removed(cleaned) == [("r1", "clean", "empty_row", "every cell is empty", nothing)]


def test_a_row_of_blanks_or_of_nulls_in_typed_columns_is_empty_too() -> None:
    typed = raw(n=[1, None], d=[date(2020, 1, 2), None])
    assert column(run(typed, number="n", category="d"), "row_id") == ["r0"]
    assert column(run(raw(t=["a", "  "], other=["x", ""])), "row_id") == ["r0"]


def test_a_row_without_a_required_value_is_rejected_under_the_first_rule_it_breaks() -> None:
    rows = raw(t=["a", "-", None, "d"], c=["x", "y", None, None], k=["1"] * 4)
    cleaned = run(rows, text="t", required=["t", "c"], null_values=["-"])
    assert column(cleaned, "row_id") == ["r0"]
    assert [row[:4] for row in removed(cleaned)] == [
        ("r1", "clean", "required_missing", "column 't' is empty"),
        ("r2", "clean", "required_missing", "column 't' is empty"),
        ("r3", "clean", "required_missing", "column 'c' is empty"),
    ]


NUMBERS = {"t": ["a", "b", "c"], "n": ["1", "many", None]}


def test_a_number_that_cannot_be_read_is_blanked_and_counted() -> None:
    cleaned = run(raw(**NUMBERS), text="t", number="n")
    assert column(cleaned, "number.n") == [1.0, None, None]
    assert cleaned.unreadable == {"n": 1}


def test_a_row_with_such_a_number_is_rejected_if_the_user_wants_that() -> None:
    cleaned = run(raw(**NUMBERS), text="t", number="n", invalid_number="reject")
    assert column(cleaned, "number.n") == [1.0, None]
    assert removed(cleaned) == [
        ("r1", "clean", "invalid_number", "column 'n' holds no number", {"t": "b", "n": "many"})
    ]
    assert cleaned.unreadable == {"n": 1}


def test_decimal_commas_are_read_where_they_are_set() -> None:
    cleaned = run(raw(n=["1.234,5", "1,5"]), number="n", decimal=",")
    assert column(cleaned, "number.n") == [1234.5, 1.5]


def test_exact_duplicates_name_the_first_row_that_is_alike() -> None:
    rows = raw(t=["a", "b", " a", "a", "a"], c=["x", "x", "x", "y", "x"], id=list("12345"))
    cleaned = run(rows, id="id", text="t", category="c")
    assert column(cleaned, "duplicate_of") == [None, None, "r0", None, "r0"]


@pytest.mark.parametrize("role", ["label", "time", "number"])
def test_rows_that_differ_in_any_role_are_no_duplicates(role: str) -> None:
    rows = raw(t=["a", "a"], x=["1996-05-01", "1996-05-02"] if role == "time" else ["1", "2"])
    assert column(run(rows, text="t", **{role: "x"}), "duplicate_of") == [None, None]


def test_a_rejected_row_is_nobodys_original() -> None:
    rows = raw(t=["a", "a"], k=[None, "x"])
    assert column(run(rows, text="t", required=["k"]), "duplicate_of") == [None]


CELLS = st.none() | st.sampled_from(["", " ", "a", "1", "1,5", "?"])
TABLES = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8)


@given(TABLES, st.sampled_from(["blank", "reject"]))
def test_every_row_is_kept_or_rejected_once_and_in_order(rows: Any, invalid: str) -> None:
    names = enumerate("tnr")
    table = raw(**{name: pl.Series([row[i] for row in rows], dtype=pl.String) for i, name in names})
    roles = {"text": "t", "number": "n"}
    cleaned = run(table, **roles, required=["r"], invalid_number=invalid, null_values=["?"])
    kept, lost = column(cleaned, "row_id"), cleaned.rejected["row_id"].to_list()
    assert sorted([*kept, *lost]) == sorted(table["row_id"])
    assert kept == [row_id for row_id in table["row_id"] if row_id in kept]
    assert set(cleaned.rejected["rule"]) <= {"empty_row", "required_missing", "invalid_number"}


def test_a_row_whose_known_at_cannot_be_read_is_rejected_and_an_empty_one_is_known() -> None:
    rows = raw(t=["a", "b", "c"], seen=["2024-01-02", "soon", None])
    cleaned = run(rows, text="t", known_at="seen")
    assert column(cleaned, "row_id") == ["r0", "r2"]
    assert cleaned.rejected["rule"].to_list() == ["known_at_unreadable"]


def test_a_table_without_a_group_or_a_split_has_no_such_column() -> None:
    cleaned = run(raw(t=["a"]), text="t")
    assert not {"group", "split"} & set(cleaned.rows.columns)


def test_a_group_is_cleaned_text_and_may_be_a_category_too() -> None:
    rows = raw(t=list("abcd"), who=["Ann &amp; Co", " Ann  & Co ", "-", None])
    cleaned = run(rows, text="t", category="who", group="who", null_values=["-"])
    assert column(cleaned, "group") == ["Ann & Co", "Ann & Co", None, None]
    assert column(cleaned, "category.who") == column(cleaned, "group")


def test_a_group_may_be_a_number_of_the_table() -> None:
    cleaned = run(raw(t=["a", "b"], n=[7, None]), text="t", number="n", group="n")
    assert column(cleaned, "group") == ["7", None]
    assert column(cleaned, "number.n") == [7.0, None]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        *[(word, "train") for word in ("train", "Training", "LEARN", " learning ")],
        *[(word, "test") for word in ("test", "TESTING", "Hold-out", "held out", "validation")],
        *[(word, word) for word in ("later", "Dev", "0", "train2", "untested")],
        *[(word, None) for word in (None, "", " ", "?")],
    ],
)
def test_a_split_is_train_or_test_and_other_words_stay_as_they_are(
    word: str | None, meant: str | None
) -> None:
    cleaned = run(raw(t=["a", "b"], s=[word, "x"]), text="t", split="s", null_values=["?"])
    assert column(cleaned, "split") == [meant, "x"]


def test_a_split_of_true_and_false_stays_so() -> None:
    assert column(run(raw(t=["a"], s=[True]), text="t", split="s"), "split") == ["true"]


def test_a_duplicate_in_another_group_or_split_is_still_a_duplicate() -> None:
    rows = raw(t=["a"] * 3, g=["x", "y", None], s=["train", "test", "later"])
    cleaned = run(rows, text="t", group="g", split="s")
    assert column(cleaned, "duplicate_of") == [None, "r0", "r0"]


def test_rows_that_differ_in_a_category_are_none_though_it_is_the_group_as_well() -> None:
    cleaned = run(raw(t=["a", "a"], g=["x", "y"]), text="t", category="g", group="g")
    assert column(cleaned, "duplicate_of") == [None, None]


NUMBER_LABEL: dict[str, Any] = {"text": "t", "label": {"column": "l", "kind": "number"}}


@pytest.mark.parametrize(
    ("decimal", "cells", "texts"),
    [
        (".", ["12", "1,234.5", "+1e3", "-0", None, "1.50"], "12.0 1234.5 1000.0 0.0 None 1.5"),
        (",", ["1.234,5", "0,1", "1.234", "-7", None, "7,0"], "1234.5 0.1 1234.0 -7.0 None 7.0"),
    ],
)
def test_a_number_to_predict_is_stored_as_its_shortest_text(
    decimal: str, cells: list[str | None], texts: str
) -> None:
    cleaned = run(raw(t=list("abcdef"), l=cells), **NUMBER_LABEL, decimal=decimal)
    assert column(cleaned, "label") == [None if x == "None" else x for x in texts.split()]
    assert cleaned.unreadable == {"l": 0}


def test_a_label_that_is_no_number_is_none_and_is_counted() -> None:
    rows = raw(t=list("abcd"), l=["1", "dear", None, "inf"])
    cleaned = run(rows, **NUMBER_LABEL)
    assert column(cleaned, "label") == ["1.0", None, None, None]
    assert cleaned.unreadable == {"l": 2}


def test_a_row_with_such_a_label_is_rejected_if_the_user_wants_that() -> None:
    rows = raw(t=["a", "b"], l=["1", "dear"], n=["x", "2"])
    cleaned = run(rows, **NUMBER_LABEL, number="n", invalid_number="reject")
    assert [row[:4] for row in removed(cleaned)] == [
        ("r0", "clean", "invalid_number", "column 'n' holds no number"),
        ("r1", "clean", "invalid_number", "column 'l' holds no number"),
    ]
    assert cleaned.unreadable == {"n": 1, "l": 1}


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=8))
def test_a_number_label_is_given_back_bit_by_bit(numbers: list[float | None]) -> None:
    rows = raw(t=["a"] * len(numbers), l=pl.Series(numbers, dtype=pl.Float64))
    labels = column(run(rows, **NUMBER_LABEL), "label")
    assert [None if x is None else float(x) for x in labels] == numbers
    assert len({x for x in labels if x}) == len({x for x in numbers if x is not None})


def test_classes_that_look_like_numbers_stay_as_they_are() -> None:
    assert column(run(raw(t=["a"], l=["01"]), text="t", label="l"), "label") == ["01"]
