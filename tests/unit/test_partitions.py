"""Partitions: keys, ends, windows and gaps agree with one another in every zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.errors import SettingsError
from tasks.partitions import (
    ALL,
    By,
    PartitionSettings,
    check_key,
    end_of,
    gaps,
    latest,
    partition_keys,
    partition_of,
    window_of,
)
from tasks.times import UTC_TIME

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Pacific/Apia"]
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))
SETTINGS = st.builds(PartitionSettings, by=st.sampled_from(By), timezone=st.sampled_from(ZONES))
STEP = {By.DAY: 1, By.WEEK: 7, By.MONTH: 31, By.YEAR: 366}
EXAMPLE = {By.DAY: "1996-05-31", By.WEEK: "1996-W22", By.MONTH: "1996-05", By.YEAR: "1996"}
each_length = pytest.mark.parametrize("by", list(By))


def cut(by: By, timezone: str = "UTC") -> PartitionSettings:
    return PartitionSettings(by=by, timezone=timezone)


def series(*moments: datetime | None) -> pl.Series:
    return pl.Series(moments, dtype=UTC_TIME)


@each_length
def test_the_key_of_a_moment_has_the_form_of_its_length(by: By) -> None:
    moment = datetime(1996, 5, 31, 12, tzinfo=UTC)
    assert partition_of(moment, cut(by)) == EXAMPLE[by]
    assert partition_keys(series(moment, None), cut(by)).to_list() == [EXAMPLE[by], None]


def test_a_week_belongs_to_the_year_of_its_thursday() -> None:
    moments = [datetime(*day, tzinfo=UTC) for day in ((1995, 12, 31), (1996, 1, 1), (1996, 12, 30))]
    keys = partition_keys(series(*moments), cut(By.WEEK)).to_list()
    assert keys == ["1995-W52", "1996-W01", "1997-W01"]


def test_the_calendar_is_that_of_the_pipelines_zone() -> None:
    moment = datetime(1996, 6, 1, 3, tzinfo=UTC)
    assert partition_of(moment, cut(By.MONTH)) == "1996-06"
    assert partition_of(moment, cut(By.MONTH, "America/New_York")) == "1996-05"


@given(MOMENTS, SETTINGS)
def test_one_moment_and_a_column_of_moments_get_the_same_key(
    moment: datetime, settings: PartitionSettings
) -> None:
    assert partition_keys(series(moment), settings).to_list() == [partition_of(moment, settings)]


@given(MOMENTS, SETTINGS)
def test_a_partition_ends_where_the_next_one_begins(
    moment: datetime, settings: PartitionSettings
) -> None:
    key = partition_of(moment, settings)
    end = end_of(key, settings)
    assert end is not None
    assert moment < end
    assert end - moment <= timedelta(days=STEP[settings.by], hours=25)
    last, after = end - timedelta(microseconds=1), partition_of(end, settings)
    assert partition_of(last, settings) == key
    assert after > key
    assert partition_keys(series(last, end), settings).to_list() == [key, after]


@given(MOMENTS, SETTINGS)
def test_every_key_of_a_moment_is_accepted(moment: datetime, settings: PartitionSettings) -> None:
    key = partition_of(moment, settings)
    assert check_key(key, settings) == key


@pytest.mark.parametrize(
    ("by", "key", "end"),
    [
        (By.DAY, "1996-10-27", datetime(1996, 10, 27, 23)),
        (By.DAY, "1996-02-28", datetime(1996, 2, 28, 23)),
        (By.WEEK, "1996-W13", datetime(1996, 3, 31, 22)),
        (By.MONTH, "1996-03", datetime(1996, 3, 31, 22)),
        (By.MONTH, "1996-12", datetime(1996, 12, 31, 23)),
        (By.YEAR, "1996", datetime(1996, 12, 31, 23)),
    ],
)
def test_a_partition_ends_at_local_midnight_in_summer_and_winter(
    by: By, key: str, end: datetime
) -> None:
    assert end_of(key, cut(by, "Europe/Berlin")) == end.replace(tzinfo=UTC)


def test_a_day_that_begins_at_one_oclock_begins_when_the_clock_jumps() -> None:
    settings = cut(By.DAY, "America/Sao_Paulo")
    jump = datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert jump.astimezone(ZoneInfo("America/Sao_Paulo")).hour == 1
    assert end_of("2018-11-03", settings) == jump


def test_the_partition_of_all_rows_has_no_end() -> None:
    assert end_of(ALL, cut(By.MONTH)) is None


@pytest.mark.parametrize(("by", "key"), [(By.DAY, "9999-12-31"), (By.YEAR, "9999")])
def test_the_last_partition_of_the_calendar_has_an_end_or_is_refused(by: By, key: str) -> None:
    try:
        check_key(key, cut(by))
    except SettingsError:
        return
    end_of(key, cut(by))


@each_length
@pytest.mark.parametrize("key", ["", "all", "lates", "1996-5", "1996-13", "1996-02-30", "1996-W54"])
def test_a_key_of_another_form_is_refused(by: By, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_key(key, cut(by))
    assert caught.value.got == f"partition {key!r}"
    assert caught.value.expected == f"a {by} such as {EXAMPLE[by]}, or latest, or scheduled"


def test_a_misspelt_word_gets_a_hint() -> None:
    with pytest.raises(SettingsError, match="did you mean 'latest'"):
        check_key("lastest", cut(By.MONTH))


@each_length
def test_a_key_of_another_length_is_refused(by: By) -> None:
    for other in set(By) - {by}:
        with pytest.raises(SettingsError):
            check_key(EXAMPLE[other], cut(by))


def test_week_53_is_accepted_only_in_years_that_have_one() -> None:
    assert check_key("2020-W53", cut(By.WEEK)) == "2020-W53"
    with pytest.raises(SettingsError):
        check_key("1996-W53", cut(By.WEEK))


NOW = datetime(1996, 5, 31, 12, tzinfo=UTC)


def test_the_latest_partition_is_the_last_with_rows_that_has_begun() -> None:
    keys = ["1996-03", "1996-05", "1996-06", "2999-01"]
    assert latest(keys, cut(By.MONTH), NOW) == "1996-05"
    assert latest(["1996-06"], cut(By.MONTH), NOW) is None
    assert latest([], cut(By.MONTH), NOW) is None


def test_the_latest_partition_begins_in_the_pipelines_zone() -> None:
    now = datetime(1996, 5, 31, 23, tzinfo=UTC)
    assert latest(["1996-06"], cut(By.MONTH, "Europe/Berlin"), now) == "1996-06"


def test_a_table_without_times_has_its_one_partition_as_the_latest() -> None:
    assert latest([ALL], cut(By.MONTH), NOW) == ALL


@pytest.mark.parametrize(
    ("by", "partition", "size", "first"),
    [
        (By.DAY, "1996-03-01", 2, "1996-02-29"),
        (By.WEEK, "1996-W01", 2, "1995-W52"),
        (By.MONTH, "1996-02", 3, "1995-12"),
        (By.MONTH, "1996-02", 14, "1995-01"),
        (By.YEAR, "1996", 3, "1994"),
        (By.MONTH, "1996-02", 1, "1996-02"),
    ],
)
def test_a_window_spans_calendar_partitions_up_to_its_own(
    by: By, partition: str, size: int, first: str
) -> None:
    assert window_of(partition, size, ["1900", first, "2999"], by) == [first]


def test_a_window_holds_only_partitions_with_rows_oldest_first() -> None:
    keys = ["1996-06", "1996-05", "1996-01", "1996-03"]
    assert window_of("1996-05", 3, keys, By.MONTH) == ["1996-03", "1996-05"]
    assert window_of("1996-05", "all", keys, By.MONTH) == ["1996-01", "1996-03", "1996-05"]
    assert window_of(ALL, 3, [ALL], By.MONTH) == [ALL]


@pytest.mark.parametrize(
    ("by", "size"), [(By.DAY, 1_000_000), (By.WEEK, 100_000), (By.MONTH, 20_000), (By.YEAR, 1_500)]
)
def test_a_window_longer_than_history_holds_all(by: By, size: int) -> None:
    assert window_of(EXAMPLE[by], size, [EXAMPLE[by]], by) == [EXAMPLE[by]]


@given(MOMENTS, SETTINGS, st.integers(1, 40))
def test_a_window_and_its_gaps_together_are_the_whole_calendar(
    moment: datetime, settings: PartitionSettings, size: int
) -> None:
    by, keys, end = settings.by, [], moment
    while len(keys) <= size:
        keys.append(partition_of(end, settings))
        end = end_of(keys[-1], settings) or end
    assert window_of(keys[-1], size, keys, by) == keys[1:]
    kept = keys[:1] + keys[1:-1:3] + keys[-1:]
    assert sorted({*kept, *gaps(sorted(set(kept)), by)}) == keys


def test_gaps_are_the_partitions_in_between_that_have_no_rows() -> None:
    assert gaps(["1995-11", "1996-02"], By.MONTH) == ["1995-12", "1996-01"]
    assert gaps(["1995-W51", "1996-W01"], By.WEEK) == ["1995-W52"]
    assert gaps(["1996-02-28", "1996-03-02"], By.DAY) == ["1996-02-29", "1996-03-01"]
    assert gaps(["1994", "1996"], By.YEAR) == ["1995"]


def test_a_window_of_one_or_none_has_no_gaps() -> None:
    assert gaps([], By.MONTH) == gaps(["1996-05"], By.MONTH) == gaps([ALL], By.MONTH) == []


@pytest.mark.parametrize("name", ["Mars/Phobos", "", "europe berlin", "/etc/passwd", "../UTC"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is not an IANA time zone such as Europe/Berlin"):
        PartitionSettings(timezone=name)


@pytest.mark.parametrize("name", ["Europe", "US"])
def test_a_continent_is_no_zone(name: str) -> None:
    with pytest.raises(ValidationError, match="is not an IANA time zone"):
        PartitionSettings(timezone=name)


def test_by_default_a_month_in_utc_with_a_lag_of_a_day() -> None:
    settings = PartitionSettings()
    assert (settings.by, settings.timezone, settings.lag) == (By.MONTH, "UTC", timedelta(days=1))


def test_a_lag_cannot_be_negative() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        PartitionSettings(lag=timedelta(days=-1))
