"""Roles are guessed from names and values."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
import pytest

from fusemine.tasks.table.profile import Guess, Role, guess_roles
from fusemine.tasks.table.roles import TimeColumn
from fusemine.tasks.table.times import parse_times

N = 60
TEXTS = [f"report number {i} says the {'engine' if i % 3 else 'wing'} was hit" for i in range(N)]
DAYS = [date(2024, 1 + i % 12, 1 + i % 28) for i in range(N)]


def guess(**columns: Any) -> dict[str, Guess]:
    table = pl.DataFrame(columns, strict=False)
    found = guess_roles(table)
    assert [item.column for item in found] == table.columns
    return {item.column: item for item in found}


def role(name: str, values: list[Any] | pl.Series) -> Role:
    return guess(**{name: values})[name].role


def test_a_whole_table_gets_its_roles() -> None:
    found = guess(
        ticket_id=[f"T-{i}" for i in range(N)],
        opened=[day.isoformat() for day in DAYS],
        notes=TEXTS,
        level=[("low", "mid", "high")[i % 3] for i in range(N)],
        cost=[str(i * 7 % 50 + 0.5) for i in range(N)],
        churn=[("yes", "no")[i % 2] for i in range(N)],
        code=[f"X{i:x}" for i in range(N)],
        empty=[None] * N,
        same=["x"] * N,
    )
    roles = [Role.ID, Role.TIME, Role.TEXT, Role.CATEGORY, Role.NUMBER, Role.LABEL]
    assert [item.role for item in found.values()] == [*roles, *[Role.NONE] * 3]
    assert found["level"].why == "3 different values"
    assert found["cost"].why == "100% of its values are numbers"
    assert found["churn"].why == "its name says label and it has 2 classes"
    assert found["empty"].why == "it is empty"
    assert found["same"].why == "all its values are the same"
    assert found["code"].why == "60 different codes, too many to compare"


@pytest.mark.parametrize("name", ["id", "ID", "user_id", "ticket id", "rownames", "uuid", "case"])
def test_a_column_that_is_named_an_id_is_one_if_every_row_has_its_own(name: str) -> None:
    assert role(name, list(range(100, 100 + N))) is Role.ID
    assert role(name, [f"k{i}" for i in range(N)]) is Role.ID
    assert role(name, [f"k{i // 2}" for i in range(N)]) is not Role.ID
    assert role(name, [f"k{i}" for i in range(N - 1)] + [None]) is not Role.ID


@pytest.mark.parametrize("name", ["price", "latitude", "humid", "paid"])
def test_numbers_that_differ_are_no_id_unless_they_are_named_so(name: str) -> None:
    expected = Role.ID if name in {"humid", "paid"} else Role.NUMBER
    assert role(name, [i * i / 4 for i in range(N)]) is expected


def test_of_two_ids_the_first_stays() -> None:
    found = guess(id=list(range(N)), other_id=[f"k{i}" for i in range(N)], t=TEXTS)
    assert (found["id"].role, found["other_id"].role) == (Role.ID, Role.NONE)
    assert found["other_id"].why == "'id' is the id already"


@pytest.mark.parametrize(
    ("pattern", "formats"),
    [
        ("%Y-%m-%d", ()),
        ("%Y-%m-%dT%H:%M:%SZ", ()),
        ("%m/%d/%Y", ("%m/%d/%Y",)),
        ("%d.%m.%Y %H:%M", ("%d.%m.%Y %H:%M",)),
        ("%B %d, %Y", ("%B %d, %Y",)),
        ("%Y%m%d", ("%Y%m%d",)),
    ],
)
def test_times_are_found_with_their_format(pattern: str, formats: tuple[str, ...]) -> None:
    found = guess(date=[day.strftime(pattern) for day in DAYS])["date"]
    assert (found.role, found.formats) == (Role.TIME, formats)
    assert found.why == f"its values are times ({', '.join(formats) or 'ISO 8601'})"


@pytest.mark.parametrize("pattern", ["%m/%d/%y", "%d.%m.%y", "%d-%b-%y", "%y-%m-%d"])
def test_a_year_of_two_digits_is_not_taken_for_the_first_century(pattern: str) -> None:
    values = [day.strftime(pattern) for day in DAYS]
    found = guess(date=values)["date"]
    column = TimeColumn(column="date", formats=found.formats)
    assert found.role is Role.NONE or parse_times(pl.Series(values), column, "UTC")[0].year == 2024


def test_days_and_months_that_could_be_either_are_read_as_months_first() -> None:
    values = [f"0{1 + i % 9}/0{1 + i % 7}/2024" for i in range(N)]
    assert guess(date=values)["date"].formats == ("%m/%d/%Y",)
    assert guess(date=[*values, "31/01/2024"])["date"].formats == ("%d/%m/%Y",)


def test_numbers_like_days_are_times_only_where_they_are_named_so() -> None:
    values = [day.strftime("%Y%m%d") for day in DAYS]
    assert role("day", values) is Role.TIME
    assert role("amount", values) is Role.NUMBER


def test_of_two_times_the_one_that_is_named_so_stays() -> None:
    values = [day.isoformat() for day in DAYS]
    found = guess(born=values, event_date=values, updated_at=values)
    assert [item.role for item in found.values()] == [Role.NONE, Role.TIME, Role.NONE]
    assert found["born"].why == "'event_date' is the time already"


def test_dates_and_datetimes_of_parquet_are_times() -> None:
    assert role("x", DAYS) is Role.TIME
    assert role("x", [datetime(2024, 1, 1 + i % 28) for i in range(N)]) is Role.TIME


def test_a_time_of_day_or_a_span_is_no_time_of_an_event() -> None:
    for values in ([time(i % 24) for i in range(N)], [timedelta(i) for i in range(N)]):
        assert role("x", values) is not Role.TIME


@pytest.mark.parametrize("name", ["label", "Target", "outcome", "churned", "is_fraud", "severity"])
def test_a_column_that_is_named_a_label_is_one_if_it_has_few_classes(name: str) -> None:
    expected = Role.CATEGORY if name == "is_fraud" else Role.LABEL
    assert role(name, [("a", "b")[i % 2] for i in range(N)]) is expected
    assert role(name, [f"c{i % 25}" for i in range(N)]) is Role.CATEGORY


def test_ratings_are_a_label_though_they_are_numbers() -> None:
    assert role("rating", [i % 10 for i in range(N)]) is Role.LABEL
    assert role("rating", [i % 40 for i in range(N)]) is Role.NUMBER


def test_only_one_label_is_named() -> None:
    values = [("a", "b")[i % 2] for i in range(N)]
    found = guess(status=values, label=values)
    assert [item.role for item in found.values()] == [Role.LABEL, Role.CATEGORY]


def test_two_numbers_are_a_category_and_a_count_of_rows_is_nothing() -> None:
    assert role("flag", [i % 2 for i in range(N)]) is Role.CATEGORY
    assert role("x", list(range(1, N + 1))) is Role.NONE
    assert role("x", [i * 3 for i in range(N)]) is Role.NUMBER


def test_short_texts_that_repeat_are_a_category() -> None:
    assert role("x", ["no damage at all", "engine shut down"] * 30) is Role.CATEGORY


def test_a_table_without_rows_has_no_roles() -> None:
    found = guess_roles(pl.DataFrame(schema={"id": pl.String, "t": pl.String}))
    assert [item.role for item in found] == [Role.NONE, Role.NONE]
