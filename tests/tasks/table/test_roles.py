"""The roles of columns: how they may be written and which errors they give."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.table.roles import Columns, LabelRule, TimeColumn, check_places

HEADER = ["rownames", "date", "remarks", "sky", "height", "effect"]


def columns(**roles: Any) -> Columns:
    return Columns.model_validate(roles)


def test_one_text_column_may_be_given_without_a_list() -> None:
    assert columns(text="remarks").text == ("remarks",)
    assert columns(text=["a", "b"]).text == ("a", "b")


def test_time_and_label_may_be_given_by_their_name_alone() -> None:
    found = columns(text="t", time="date", known_at="seen", label="effect")
    assert found.time == TimeColumn(column="date", formats=())
    assert found.known_at == TimeColumn(column="seen", formats=())
    assert found.label == LabelRule(column="effect", positive=None, note=None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("present", "present"), ("hit", ("hit",)), (["a", "b"], ("a", "b")), (None, None)],
)
def test_a_label_rule_takes_present_a_value_a_list_or_nothing(written: Any, meant: Any) -> None:
    assert LabelRule(column="effect", positive=written).positive == meant


@pytest.mark.parametrize("role", ["text", "category", "number"])
def test_one_column_to_mine_is_enough(role: str) -> None:
    assert getattr(columns(**{role: "x"}), role) == ("x",)


@pytest.mark.parametrize("roles", [{}, {"id": "a", "time": "b", "label": "c"}, {"text": []}])
def test_a_table_without_a_column_to_mine_is_refused(roles: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="at least one text, category or number column"):
        columns(**roles)


TWICE = {"text": "x", "category": "x"}, {"category": ["x", "x"]}, {"number": "x", "label": "x"}


@pytest.mark.parametrize("roles", TWICE)
def test_a_column_cannot_have_two_roles(roles: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="a column has one role, but 'x' has two"):
        columns(**roles)


def test_a_column_may_be_both_the_id_and_a_text() -> None:
    assert columns(id="x", text="x").places() == {"columns.id": "x", "columns.text[0]": "x"}


def test_every_used_column_is_listed_by_its_place_in_the_yaml() -> None:
    time, label = {"column": "date", "formats": ["%Y"]}, {"column": "effect", "positive": "present"}
    roles = {"text": ["remarks"], "category": ["sky", "state"], "number": "height"}
    assert columns(id="rownames", time=time, label=label, **roles).places() == {
        "columns.id": "rownames",
        "columns.time": "date",
        "columns.label": "effect",
        "columns.text[0]": "remarks",
        "columns.category[0]": "sky",
        "columns.category[1]": "state",
        "columns.number[0]": "height",
    }


def test_group_and_split_are_listed_and_may_have_another_role_as_well() -> None:
    roles = columns(text="t", category=["customer", "part"], group="customer", split="part")
    places = roles.places()
    assert (places["columns.group"], places["columns.split"]) == ("customer", "part")
    assert columns(text="t").group is None is columns(text="t").split


@pytest.mark.parametrize("role", ["group", "split"])
def test_the_label_is_neither_the_group_nor_the_split(role: str) -> None:
    with pytest.raises(ValidationError, match=f"{role} is the label 'x'; name another column"):
        columns(text="t", label="x", **{role: "x"})


def test_a_label_may_be_a_number_to_predict() -> None:
    assert LabelRule(column="price").kind == "class"
    assert LabelRule(column="price", kind="number").kind == "number"
    with pytest.raises(ValidationError, match="kind"):
        LabelRule(column="price", kind="integer")  # type: ignore[arg-type]


@pytest.mark.parametrize("positive", ["present", "high", ["a", "b"]])
def test_a_number_has_no_positive_class(positive: Any) -> None:
    with pytest.raises(ValidationError, match="a label of kind number has none; remove one"):
        LabelRule(column="price", kind="number", positive=positive)


def test_a_header_with_all_columns_and_more_is_accepted() -> None:
    check_places(columns(text="remarks", number="height").places(), [*HEADER, "more"], "the file")


@pytest.mark.parametrize(
    ("roles", "place", "near"),
    [
        ({"id": "rowname", "text": "remarks"}, "columns.id", "rownames"),
        ({"text": "remarks", "time": "dates"}, "columns.time", "date"),
        ({"text": "remarks", "known_at": "Date"}, "columns.known_at", "date"),
        ({"text": "remark"}, "columns.text[0]", "remarks"),
        ({"category": ["sky", "skyy"]}, "columns.category[1]", "sky"),
        ({"number": "heigth"}, "columns.number[0]", "height"),
        ({"text": "remarks", "label": "efect"}, "columns.label", "effect"),
        ({"text": "remarks", "group": "skyy"}, "columns.group", "sky"),
        ({"text": "remarks", "split": "dates"}, "columns.split", "date"),
    ],
)
def test_a_missing_column_is_named_with_its_place_and_the_nearest_name(
    roles: dict[str, Any], place: str, near: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        check_places(columns(**roles).places(), HEADER, "file 'a.csv'")
    assert caught.value.got.startswith(f"{place}: '")
    assert caught.value.got.endswith("which is not a column of file 'a.csv'")
    assert caught.value.expected == f"one of {', '.join(HEADER)}"
    assert caught.value.fix == f"did you mean {near!r}? correct {place} in the pipeline.yaml"


def test_a_name_like_no_other_gets_no_hint() -> None:
    with pytest.raises(SettingsError) as caught:
        check_places(columns(text="zzz").places(), HEADER, "the file")
    assert caught.value.fix == "correct columns.text[0] in the pipeline.yaml"


def test_a_wide_header_is_not_listed_whole() -> None:
    with pytest.raises(SettingsError) as caught:
        check_places(columns(text="zzz").places(), [f"c{i}" for i in range(100)], "the file")
    assert caught.value.expected.endswith("c39")


@pytest.mark.parametrize(
    ("role", "value"),
    [("text", 1), ("text", ["a", 1]), ("time", {"column": "a", "format": "%Y"}), ("txt", "a")],
)
def test_wrong_types_and_unknown_keys_are_refused(role: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        columns(**{"category": "sky", role: value})


def test_roles_cannot_be_changed_later() -> None:
    roles = columns(text="t")
    with pytest.raises(ValidationError, match="frozen"):
        roles.id = "x"  # type: ignore[misc]
