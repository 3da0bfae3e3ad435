"""Roles are guessed from names and values, and a way to read the file is found."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.detect import find_source
from fusemine.tasks.sources.files import Batch
from fusemine.tasks.table.profile import Guess, Role, guess_roles
from fusemine.tasks.table.roles import TimeColumn
from fusemine.tasks.table.times import parse_times

Write = Callable[[str, str | bytes], Path]
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
    assert {name: item.role for name, item in found.items()} == {
        "ticket_id": Role.ID,
        "opened": Role.TIME,
        "notes": Role.TEXT,
        "level": Role.CATEGORY,
        "cost": Role.NUMBER,
        "churn": Role.LABEL,
        "code": Role.NONE,
        "empty": Role.NONE,
        "same": Role.NONE,
    }
    assert found["level"].why == "3 different values"
    assert found["cost"].why == "100% of its values are numbers"
    assert found["churn"].why == "its name says label and it has 2 classes"
    assert found["empty"].why == "it is empty"
    assert found["same"].why == "all its values are the same"
    assert found["code"].why == "60 different codes, too many to compare"


@pytest.mark.parametrize("name", ["id", "ID", "user_id", "ticket id", "rownames", "uuid", "case"])
def test_a_column_whose_name_says_id_is_one_if_every_row_has_its_own(name: str) -> None:
    assert role(name, list(range(100, 100 + N))) is Role.ID
    assert role(name, [f"k{i}" for i in range(N)]) is Role.ID
    assert role(name, [f"k{i // 2}" for i in range(N)]) is not Role.ID
    assert role(name, [f"k{i}" for i in range(N - 1)] + [None]) is not Role.ID


@pytest.mark.parametrize("name", ["price", "latitude", "humid", "paid"])
def test_numbers_that_differ_are_no_id_unless_the_name_says_so(name: str) -> None:
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


def test_days_and_months_that_cannot_be_told_apart_are_read_as_months_first() -> None:
    values = [f"0{1 + i % 9}/0{1 + i % 7}/2024" for i in range(N)]
    assert guess(date=values)["date"].formats == ("%m/%d/%Y",)
    assert guess(date=[*values, "31/01/2024"])["date"].formats == ("%d/%m/%Y",)


def test_numbers_like_days_are_times_only_where_the_name_says_so() -> None:
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


@pytest.mark.parametrize(
    "values", [[time(i % 24) for i in range(N)], [timedelta(i) for i in range(N)]]
)
def test_a_time_of_day_or_a_span_is_no_time_of_an_event(values: list[Any]) -> None:
    assert role("x", values) is not Role.TIME


@pytest.mark.parametrize("name", ["label", "Target", "outcome", "churned", "is_fraud", "severity"])
def test_a_column_whose_name_says_label_is_one_if_it_has_few_classes(name: str) -> None:
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
    assert role("x", [("no damage at all", "engine shut down")[i % 2] for i in range(N)]) is (
        Role.CATEGORY
    )


def test_a_table_without_rows_has_no_roles() -> None:
    found = guess_roles(pl.DataFrame(schema={"id": pl.String, "t": pl.String}))
    assert [item.role for item in found] == [Role.NONE, Role.NONE]


def source(path: Path) -> tuple[FilesSettings, Batch]:
    settings, rows = find_source(path, path.name)
    assert settings.path == path.name
    return settings, rows


CSV = "name,kind,cost\n" + "".join(f"café number {i},{'ab'[i % 2]},{i}\n" for i in range(40))


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_the_separator_is_found(write: Write, separator: str) -> None:
    settings, rows = source(write("a.csv", CSV.replace(",", separator)))
    assert settings.separator == (None if separator == "," else separator)
    assert rows.frame.columns == ["name", "kind", "cost"]
    assert rows.frame.height == 40


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_the_encoding_is_found(write: Write, encoding: str) -> None:
    for tail in ("", "x,a,1\n"):  # bytes of an even and of an odd number
        settings, rows = source(write("a.csv", (CSV + tail).encode(encoding)))
        assert settings.encoding == encoding
        assert rows.frame["name"][3] == "café number 3"


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_tsv_needs_no_separator(write: Write, name: str) -> None:
    data = CSV.replace(",", "\t").encode()
    settings, rows = source(write(name, gzip.compress(data) if name.endswith("gz") else data))
    assert (settings.separator, rows.frame.width) == (None, 3)


def test_a_few_malformed_records_do_not_matter(write: Write) -> None:
    settings, rows = source(write("a.csv", CSV + "one,too,many,fields\n"))
    assert (settings.separator, settings.encoding) == (None, "utf-8")
    assert (rows.frame.height, len(rows.malformed)) == (40, 1)


def test_many_malformed_records_are_not_blamed_on_the_separator(write: Write) -> None:
    settings, rows = source(write("a.csv", CSV + "one,too,many,fields\n" * 10))
    assert (settings.separator, rows.frame.height, len(rows.malformed)) == (None, 40, 10)


def test_json_lines_and_parquet_are_read_as_they_are(write: Write, tmp_path: Path) -> None:
    settings, rows = source(write("a.jsonl", '{"a": "x;y"}\n'))
    assert (settings.separator, rows.frame.rows()) == (None, [("x;y",)])
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    assert source(tmp_path / "a.parquet")[1].frame.rows() == [(1,)]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"PAR1", "holds a Parquet file"),
        ("a.jsonl", b"a,b\n", "holds no JSON object"),
        ("a.md", b"x", "whose name tells no form"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    write: Write, name: str, content: bytes, told: str
) -> None:
    with pytest.raises(SourceError, match=told):
        source(write(name, content))


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "no.csv", tmp_path):
        with pytest.raises(SourceError) as caught:
            find_source(path, "x")
        assert caught.value.got == f"no file at {path}"
