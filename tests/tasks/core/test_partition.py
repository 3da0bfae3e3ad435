"""Partitions: keys, ends, windows and gaps agree with one another in every zone."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.partition import (
    ALL,
    By,
    PartitionSettings,
    between,
    check_partition,
    end_of,
    gaps,
    latest,
    partition_keys,
    partition_of,
    scheduled_partition,
    window_partitions,
)
from fusemine.tasks.table.times import UTC_TIME

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


@given(MOMENTS, SETTINGS)
def test_one_moment_and_a_column_of_moments_get_the_same_key_which_is_accepted(
    moment: datetime, settings: PartitionSettings
) -> None:
    key = partition_of(moment, settings)
    assert partition_keys(series(moment), settings).to_list() == [key]
    assert check_partition(key, settings) == key


@given(MOMENTS, SETTINGS)
def test_a_partition_ends_where_the_next_one_begins(
    moment: datetime, settings: PartitionSettings
) -> None:
    key = partition_of(moment, settings)
    end = end_of(key, settings)
    assert moment < end
    assert end - moment <= timedelta(days=STEP[settings.by], hours=25)
    last, after = end - timedelta(microseconds=1), partition_of(end, settings)
    assert partition_of(last, settings) == key
    assert after > key
    assert partition_keys(series(last, end), settings).to_list() == [key, after]


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
        check_partition(key, cut(by))
    except SettingsError:
        return
    end_of(key, cut(by))


@each_length
def test_a_key_of_another_form_or_length_is_refused(by: By) -> None:
    others = set(EXAMPLE.values()) - {EXAMPLE[by]}
    for key in ("", "all", "lates", "1996-5", "1996-13", "1996-02-30", "1996-W54", *others):
        with pytest.raises(SettingsError) as caught:
            check_partition(key, cut(by))
        assert caught.value.got == f"partition {key!r}"
        assert caught.value.expected == f"a {by} such as {EXAMPLE[by]}, or latest, or scheduled"


def test_a_misspelt_word_gets_a_hint() -> None:
    with pytest.raises(SettingsError, match="did you mean 'latest'"):
        check_partition("lastest", cut(By.MONTH))


def test_week_53_is_accepted_only_in_years_that_have_one() -> None:
    assert check_partition("2020-W53", cut(By.WEEK)) == "2020-W53"
    with pytest.raises(SettingsError):
        check_partition("1996-W53", cut(By.WEEK))


NOW = datetime(1996, 5, 31, 12, tzinfo=UTC)


def test_the_latest_partition_is_the_last_with_rows_that_has_begun() -> None:
    keys = ["1996-03", "1996-05", "1996-06", "2999-01"]
    assert latest(keys, cut(By.MONTH), NOW) == "1996-05"
    assert latest(["1996-06"], cut(By.MONTH), NOW) is None
    assert latest([], cut(By.MONTH), NOW) is None
    assert latest([ALL], cut(By.MONTH), NOW) == ALL


def test_the_latest_partition_begins_in_the_pipelines_zone() -> None:
    now = datetime(1996, 5, 31, 23, tzinfo=UTC)
    assert latest(["1996-06"], cut(By.MONTH, "Europe/Berlin"), now) == "1996-06"


def test_a_window_holds_only_partitions_with_rows_oldest_first() -> None:
    keys = ["1996-06", "1996-05", "1996-01", "1996-03"]
    assert window_partitions("1996-05", 3, keys, By.MONTH) == ["1996-03", "1996-05"]
    assert window_partitions("1996-05", "all", keys, By.MONTH) == ["1996-01", "1996-03", "1996-05"]
    assert window_partitions(ALL, 3, [ALL], By.MONTH) == [ALL]


@pytest.mark.parametrize(
    ("by", "size"), [(By.DAY, 1_000_000), (By.WEEK, 100_000), (By.MONTH, 20_000), (By.YEAR, 1_500)]
)
def test_a_window_longer_than_history_holds_all(by: By, size: int) -> None:
    assert window_partitions(EXAMPLE[by], size, [EXAMPLE[by]], by) == [EXAMPLE[by]]


@given(MOMENTS, SETTINGS, st.integers(1, 40))
def test_a_window_and_its_gaps_together_are_the_whole_calendar(
    moment: datetime, settings: PartitionSettings, size: int
) -> None:
    by, keys, end = settings.by, [], moment
    while len(keys) <= size:
        keys.append(partition_of(end, settings))
        end = end_of(keys[-1], settings) or end
    assert window_partitions(keys[-1], size, keys, by) == keys[1:]
    kept = keys[:1] + keys[1:-1:3] + keys[-1:]
    assert sorted({*kept, *gaps(sorted(set(kept)), by)}) == keys


def test_a_window_of_one_or_none_has_no_gaps() -> None:
    assert gaps([], By.MONTH) == gaps(["1996-05"], By.MONTH) == gaps([ALL], By.MONTH) == []


@given(MOMENTS, MOMENTS, SETTINGS)
def test_between_are_all_partitions_from_the_first_to_the_last(
    first: datetime, last: datetime, settings: PartitionSettings
) -> None:
    first, last = sorted((first, min(last, first + timedelta(days=900))))
    keys = [partition_of(first, settings)]
    while keys[-1] != partition_of(last, settings):
        keys.append(partition_of(end_of(keys[-1], settings) or last, settings))
    assert between(keys[0], keys[-1], settings.by) == sorted(keys)


def test_between_keeps_the_calendars_last_partition_and_is_empty_backwards() -> None:
    assert between("9999-12-30", "9999-12-31", By.DAY) == ["9999-12-30", "9999-12-31"]
    assert between("9998", "9999", By.YEAR) == ["9998", "9999"]
    assert between("1996-05", "1996-05", By.MONTH) == ["1996-05"]
    assert between("1996-06", "1996-05", By.MONTH) == []


CHANGING = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"]


def daily(timezone: str, days: int = 1) -> PartitionSettings:
    return PartitionSettings(by=By.DAY, timezone=timezone, lag=timedelta(days=days))


def instants(wall: datetime, zone: ZoneInfo) -> set[datetime]:
    """The moments at which the clock shows a time: two where it is set back.

    Where the clock skips that time, one moment, as late after the jump as the time is in it.
    """
    both = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    shown = {at for at in both if at.astimezone(zone).replace(tzinfo=None) == wall}
    return shown or {max(both)}


@pytest.mark.parametrize(
    ("by", "lag", "key"),
    [
        (By.DAY, timedelta(0), "1996-03-01"),
        (By.DAY, timedelta(hours=6), "1996-02-29"),
        (By.WEEK, timedelta(days=7), "1996-W08"),
        (By.MONTH, timedelta(days=1), "1996-02"),
        (By.YEAR, timedelta(days=61), "1995"),
    ],
)
def test_the_lag_leads_from_a_scheduled_time_to_its_partition(
    by: By, lag: timedelta, key: str
) -> None:
    planned = datetime(1996, 3, 1, 5, tzinfo=UTC)
    assert scheduled_partition(planned, PartitionSettings(by=by, lag=lag)) == key


def changes(timezone: str) -> list[tuple[str, date]]:
    """The days on which the clocks of a zone change."""
    days = [date(1986, 1, 1) + timedelta(days=n) for n in range(16_000)]
    noons = [datetime.combine(day, time(12), ZoneInfo(timezone)) for day in days]
    offsets = [noon.utcoffset() for noon in noons]
    both = zip(days[1:], offsets, offsets[1:], strict=False)
    return [(timezone, day) for day, before, after in both if before != after]


@given(
    st.sampled_from([change for timezone in CHANGING for change in changes(timezone)]),
    st.integers(-3, 3),
    st.one_of(st.times(), st.times(max_value=time(1)), st.times(min_value=time(23))),
    st.integers(0, 8),
)
def test_daily_runs_mine_one_day_after_the_other(
    change: tuple[str, date], away: int, at: time, lag: int
) -> None:
    zone, settings = ZoneInfo(change[0]), daily(change[0], lag)
    for following in range(3):
        day = change[1] + timedelta(days=away + following)
        moments = instants(datetime.combine(day, at), zone)
        keys = {scheduled_partition(moment, settings) for moment in moments}
        assert keys == {(day - timedelta(days=lag)).isoformat()}


@pytest.mark.parametrize("timezone", CHANGING)
@pytest.mark.parametrize("at", ["30 0", "30 1", "45 1", "0 2", "30 2", "0 12", "59 23"])
def test_prefects_own_instants_of_a_daily_cron_are_one_day_each(timezone: str, at: str) -> None:
    from prefect.server.schemas.schedules import CronSchedule

    schedule = CronSchedule(cron=f"{at} * * *", timezone=timezone)
    start = datetime(2016, 1, 1, tzinfo=ZoneInfo(timezone))
    planned = asyncio.run(schedule.get_dates(n=700, start=start))
    offsets = {moment.astimezone(ZoneInfo(timezone)).utcoffset() for moment in planned}
    assert len(offsets) == 2
    keys = [scheduled_partition(moment, daily(timezone)) for moment in planned]
    if timezone == "America/Sao_Paulo" and at == "30 0":
        # Its clocks skipped midnight: Prefect starts that night's run an hour before it.
        assert gaps(keys, By.DAY) == ["2016-10-15", "2017-10-14"]
    else:
        assert keys == between("2015-12-31", keys[-1], By.DAY)


@pytest.mark.parametrize(
    "name", ["Mars/Phobos", "", "europe berlin", "/etc/passwd", "../UTC", "Europe", "US"]
)
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is not an IANA time zone such as Europe/Berlin"):
        PartitionSettings(timezone=name)


def test_by_default_a_month_in_utc_with_a_lag_of_a_day() -> None:
    settings = PartitionSettings()
    assert (settings.by, settings.timezone, settings.lag) == (By.MONTH, "UTC", timedelta(days=1))


def test_a_lag_cannot_be_negative() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        PartitionSettings(lag=timedelta(days=-1))
