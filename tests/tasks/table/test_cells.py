"""Every type that a source can hold has one way to be written as text."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest

from fusemine.tasks.table.cells import as_text
from fusemine.tasks.table.roles import TimeColumn
from fusemine.tasks.table.times import parse_times

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pl.Series(["a", "", None]), ["a", "", None]),
        (pl.Series([1, -2, None]), ["1", "-2", None]),
        (pl.Series([0.5, 2.0, NAN, None]), ["0.5", "2.0", None, None]),
        (pl.Series([True, None]), ["true", None]),
        (pl.Series([Decimal("1.50"), None]), ["1.50", None]),
        (pl.Series([date(2020, 1, 2), None]), ["2020-01-02", None]),
        (pl.Series([time(1, 2, 3), None]), ["01:02:03", None]),
        (pl.Series([timedelta(hours=26), None]), ["P1DT2H", None]),
        (pl.Series([b"\xffA", None]), ["ff41", None]),
        (pl.Series(["x", None], dtype=pl.Categorical), ["x", None]),
        (pl.Series([[1, 2], [], None]), ["[1, 2]", "[]", None]),
        (pl.Series([[["a"]], None]), ['[["a"]]', None]),
        (pl.Series([{"k": b"\xff", "d": date(2020, 1, 2)}]), ['{"k": "ff", "d": "2020-01-02"}']),
        (pl.Series([None, None]), [None, None]),
        (pl.Series([], dtype=pl.List(pl.Int8)), []),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)
def test_a_value_is_written_as_people_would(values: pl.Series, texts: list[str | None]) -> None:
    found = as_text(values.alias("x"))
    assert (found.name, found.dtype) == ("x", pl.String)
    assert found.to_list() == texts


def test_a_time_with_a_zone_is_written_in_utc_so_that_it_can_be_read_back() -> None:
    berlin = pl.Series([datetime(2020, 7, 1, 12), None]).dt.replace_time_zone("Europe/Berlin")
    texts = as_text(berlin)
    assert texts.to_list() == ["2020-07-01T10:00:00+00:00", None]
    again = parse_times(texts, TimeColumn(column="x"), "Asia/Tokyo")
    assert again.to_list() == berlin.dt.convert_time_zone("UTC").to_list()


def test_a_fraction_of_a_second_is_kept() -> None:
    moment = pl.Series([datetime(2020, 7, 1, 12, 0, 0, 250_000)]).dt.replace_time_zone("UTC")
    assert as_text(moment).str.starts_with("2020-07-01T12:00:00.25").to_list() == [True]
