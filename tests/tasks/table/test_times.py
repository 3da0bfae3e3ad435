"""Times as users write them are read in the pipeline's zone and kept in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars._typing import TimeUnit

from fusemine.tasks.table.roles import TimeColumn
from fusemine.tasks.table.times import UTC_TIME, parse_times

BERLIN, NEW_YORK, SAO_PAULO = "Europe/Berlin", "America/New_York", "America/Sao_Paulo"


def read(
    values: list[object] | pl.Series, *formats: str, zone: str = "UTC"
) -> list[datetime | None]:
    series = values if isinstance(values, pl.Series) else pl.Series("t", values)
    times = parse_times(series, TimeColumn(column="t", formats=formats), zone)
    assert times.dtype == UTC_TIME
    assert len(times) == len(series)
    return times.to_list()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1996-05-31", utc(1996, 5, 31)),
        ("1996-05-31T14:05", utc(1996, 5, 31, 14, 5)),
        ("1996-05-31 14:05", utc(1996, 5, 31, 14, 5)),
        ("1996-05-31T14:05:09", utc(1996, 5, 31, 14, 5, 9)),
        ("1996-05-31 14:05:09.25", utc(1996, 5, 31, 14, 5, 9, 250_000)),
        ("1996-05-31T14:05:09Z", utc(1996, 5, 31, 14, 5, 9)),
        ("1996-05-31T14:05:09+02:00", utc(1996, 5, 31, 12, 5, 9)),
        ("1996-05-31 14:05:09.5-0500", utc(1996, 5, 31, 19, 5, 9, 500_000)),
        ("1996-05-31T14:05:09+02", utc(1996, 5, 31, 12, 5, 9)),
        ("  1996-05-31 \t", utc(1996, 5, 31)),
    ],
)
def test_iso_8601_is_read_without_any_format(text: str, time: datetime) -> None:
    assert read([text]) == [time]


@pytest.mark.parametrize(
    "text", ["", " ", "yesterday", "1996-02-30", "1996-13-01", "31.05.1996", "1996-05-31x", "0"]
)
def test_what_no_format_reads_becomes_null(text: str) -> None:
    assert read([text, "1996-05-31"]) == [None, utc(1996, 5, 31)]


def test_null_stays_null_and_an_empty_column_gives_no_times() -> None:
    assert read([None, "1996-05-31"]) == [None, utc(1996, 5, 31)]
    assert read(pl.Series([None, None], dtype=pl.Null)) == [None, None]
    assert read(pl.Series([], dtype=pl.String)) == []


def test_formats_are_tried_in_order_and_the_first_that_reads_wins() -> None:
    values = ["05/06/1996", "31/06/1996", "25/06/1996"]
    assert read(values, "%m/%d/%Y", "%d/%m/%Y") == [utc(1996, 5, 6), None, utc(1996, 6, 25)]
    assert read(values, "%d/%m/%Y", "%m/%d/%Y") == [utc(1996, 6, 5), None, utc(1996, 6, 25)]


def test_stated_formats_stand_in_place_of_iso_8601() -> None:
    assert read(["1996-05-31", "5/31/1996"], "%m/%d/%Y") == [None, utc(1996, 5, 31)]


@pytest.mark.parametrize(
    ("text", "pattern", "time"),
    [
        ("5/31/1996 14:05:00", "%m/%d/%Y %H:%M:%S", utc(1996, 5, 31, 14, 5)),
        ("31.05.1996", "%d.%m.%Y", utc(1996, 5, 31)),
        ("May 3, 1996", "%B %d, %Y", utc(1996, 5, 3)),
        ("3-MAY-96", "%d-%b-%y", utc(1996, 5, 3)),
        ("1996-05-31 02:05 PM", "%Y-%m-%d %I:%M %p", utc(1996, 5, 31, 14, 5)),
        ("1996-05-31 14:05 +0200", "%Y-%m-%d %H:%M %z", utc(1996, 5, 31, 12, 5)),
        ("31.05.1996 14:05", "%d.%m.%Y %R", utc(1996, 5, 31, 14, 5)),
        ("19960531", "%Y%m%d", utc(1996, 5, 31)),
        ("1996-05-31 14:05", "%Y-%m-%d %k:%M", utc(1996, 5, 31, 14, 5)),
        ("1996-05-31  2:05 PM", "%Y-%m-%d %l:%M %p", utc(1996, 5, 31, 14, 5)),
        ("1996-05-31T14:05:00+00:00", "%+", utc(1996, 5, 31, 14, 5)),
        ("833551509", "%s", utc(1996, 5, 31, 14, 5, 9)),
    ],
)
def test_formats_as_in_strftime_are_read(text: str, pattern: str, time: datetime) -> None:
    assert read([text], pattern) == [time]


def test_times_without_a_zone_are_in_the_pipelines() -> None:
    found = read(["1996-05-31", "1996-12-31 23:30"], zone=NEW_YORK)
    assert found == [utc(1996, 5, 31, 4), utc(1997, 1, 1, 4, 30)]


def test_a_stated_zone_counts_more_than_the_pipelines() -> None:
    assert read(["1996-05-31T12:00:00+00:00"], zone=NEW_YORK) == [utc(1996, 5, 31, 12)]


def test_the_hour_that_a_clock_repeats_is_its_first_pass() -> None:
    assert read(["1996-10-27 02:30"], zone=BERLIN) == [utc(1996, 10, 27, 0, 30)]


def test_the_hour_that_a_clock_skips_cannot_be_read() -> None:
    times = ["1996-03-31 01:59", "1996-03-31 02:30", "1996-03-31 03:00"]
    assert read(times, zone=BERLIN) == [utc(1996, 3, 31, 0, 59), None, utc(1996, 3, 31, 1)]


@pytest.mark.parametrize("day", ["2018-11-04", date(2018, 11, 4)])
def test_a_day_that_begins_at_one_oclock_is_read(day: object) -> None:
    assert read([day], zone=SAO_PAULO) == [utc(2018, 11, 4, 3)]


def test_dates_and_datetimes_are_taken_as_they_are() -> None:
    assert read([date(1996, 5, 31)], zone=NEW_YORK) == [utc(1996, 5, 31, 4)]
    assert read([datetime(1996, 5, 31, 14)], zone=NEW_YORK) == [utc(1996, 5, 31, 18)]
    zoned = pl.Series([datetime(1996, 5, 31, 14)]).dt.replace_time_zone(BERLIN)
    assert read(zoned, zone=NEW_YORK) == [utc(1996, 5, 31, 12)]


@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
def test_every_precision_becomes_microseconds(unit: str) -> None:
    values = pl.Series([datetime(1996, 5, 31, 14, 5, 9)], dtype=pl.Datetime(unit))
    assert read(values) == [utc(1996, 5, 31, 14, 5, 9)]


def test_numbers_are_read_by_a_format_as_their_text_is() -> None:
    assert read([19960531, 19960230], "%Y%m%d") == [utc(1996, 5, 31), None]
    assert read([1996]) == [None]


def test_the_name_of_the_column_stays() -> None:
    times = parse_times(pl.Series("when", ["1996-05-31"]), TimeColumn(column="when"), "UTC")
    assert times.name == "when"


def test_a_format_with_an_hour_and_no_minute_reads_nothing_or_is_refused_clearly() -> None:
    assert read(["1996-05-31 14"], "%Y-%m-%d %H") in ([None], [utc(1996, 5, 31, 14)])


@pytest.mark.parametrize(
    ("text", "formats"), [("12-05-16", ()), ("5/31/96", ("%m/%d/%Y",)), ("3-MAY-96", ("%d-%b-%Y",))]
)
def test_a_year_of_two_digits_is_not_one_of_the_first_century(
    text: str, formats: tuple[str, ...]
) -> None:
    assert read([text], *formats) == [None]


ZONES = st.sampled_from([BERLIN, NEW_YORK, SAO_PAULO, "Asia/Kathmandu", "UTC"])
MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, ZONES)
def test_a_zoned_time_is_the_same_moment_in_every_pipeline(moment: datetime, zone: str) -> None:
    shown = moment.astimezone(ZoneInfo("Europe/Berlin")).isoformat(sep=" ", timespec="microseconds")
    assert read([shown], zone=zone) == [moment]


@given(MOMENTS, ZONES)
def test_a_local_time_is_read_as_the_first_moment_that_the_clock_shows_it(
    moment: datetime, zone: str
) -> None:
    local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    [found] = read([local.isoformat(sep=" ", timespec="microseconds")], zone=zone)
    assert found.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
    assert moment - found in (timedelta(0), timedelta(hours=1))


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_a_time_that_no_calendar_has_becomes_null(unit: TimeUnit) -> None:
    values = pl.Series([2**62, -(2**62), 0]).cast(pl.Datetime(unit))
    read = parse_times(values, TimeColumn(column="t"), "America/New_York")
    assert read.is_null().to_list() == [True, True, False]
    days = pl.Series([2**30, 0], dtype=pl.Int32).cast(pl.Date)
    assert parse_times(days, TimeColumn(column="t"), "UTC").is_null().to_list() == [True, False]


def test_milliseconds_in_place_of_seconds_become_null() -> None:
    values = pl.Series(["1704067200000", "1704067200"])
    read = parse_times(values, TimeColumn(column="t", formats=("%s",)), "UTC")
    assert read.is_null().to_list() == [True, False]
