"""The place of an event in the year, the week and the day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.fuse.dates import DateEncoder
from fusemine.tasks.fuse.transformers import Rows

MONTH = ["month sin", "month cos"]
WEEKDAY = ["weekday sin", "weekday cos"]
HOUR = ["hour sin", "hour cos"]


def dates(times: Sequence[datetime | None], timezone: str = "UTC") -> Rows:
    clean = pl.DataFrame({"event_time": pl.Series(times, dtype=pl.Datetime("us", "UTC"))})
    return Rows(clean, np.zeros((clean.height, 4), np.float32), timezone)


def names_of(rows: Rows) -> list[str]:
    return DateEncoder().fit(rows).get_feature_names_out()


def day(month: int, number: int = 1, hour: int = 0, year: int = 2021) -> datetime:
    return datetime(year, month, number, hour, tzinfo=UTC)


def test_only_cycles_that_vary_have_features() -> None:
    assert names_of(dates([day(1, 1), day(2, 3)])) == MONTH + WEEKDAY
    assert names_of(dates([day(1, 1), day(1, 1, year=2027)])) == []
    assert names_of(dates([day(1, 1, 3), day(1, 1, 4)])) == HOUR
    assert names_of(dates([day(1, 1)] * 3)) == []


def test_december_lies_as_close_to_january_as_january_to_february() -> None:
    points = DateEncoder().fit_transform(dates([day(12), day(1), day(2), day(7)]))[:, :2]
    distances = np.linalg.norm(points - points[1], axis=1)
    assert distances[0] == pytest.approx(distances[2], rel=1e-5)
    assert distances[3] == pytest.approx(2, rel=1e-5)


def test_the_hour_and_the_day_are_those_of_the_zone() -> None:
    midnights = [datetime(2021, month, 1, 5 if month < 3 else 4, tzinfo=UTC) for month in (1, 2, 4)]
    assert HOUR[0] in names_of(dates(midnights))
    assert names_of(dates(midnights, "America/New_York")) == MONTH + WEEKDAY
    assert names_of(dates([day(1, 1, 2), day(1, 1, 12)], "America/New_York"))[:2] == MONTH


def test_taken_rows_keep_their_zone() -> None:
    some = dates([day(1), day(2)], "Asia/Tokyo")
    assert some.take(np.array([1])).timezone == "Asia/Tokyo"


def test_a_missing_time_is_the_middle_of_all_circles_and_marked_as_missing() -> None:
    some = dates([day(1, 1, 5), None, day(6, 2, 7)])
    part = DateEncoder().fit(some)
    assert part.get_feature_names_out() == [*MONTH, *WEEKDAY, *HOUR, "time is missing"]
    features = part.transform(some)
    assert features[1].tolist() == [0] * 6 + [1]
    assert features[[0, 2], -1].tolist() == [0, 0]
    without_gaps = DateEncoder().fit(dates([day(1), day(2, 2)]))
    assert without_gaps.transform(dates([None])).tolist() == [[0] * 4]


def test_tables_without_times_have_no_features() -> None:
    no_column = Rows(pl.DataFrame({"text": ["a", "b"]}), np.zeros((2, 4), np.float32))
    unknown_type = Rows(pl.DataFrame({"event_time": [None, None]}), np.zeros((2, 4), np.float32))
    for some in (no_column, unknown_type, dates([None, None]), dates([])):
        part = DateEncoder().fit(some)
        assert part.get_feature_names_out() == []
        assert part.transform(some).shape == (len(some), 0)


def test_no_rows_can_be_transformed() -> None:
    part = DateEncoder().fit(dates([day(1), None, day(2)]))
    assert part.transform(dates([])).shape == (0, len(part.get_feature_names_out()))


@given(
    st.lists(
        st.none() | st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)),
        max_size=8,
    ),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]),
)
def test_any_time_is_on_its_circles(times: list[datetime | None], zone: str) -> None:
    some = dates(times, zone)
    part = DateEncoder().fit(some)
    points = part.transform(some)
    assert points.shape == (len(times), len(part.get_feature_names_out()))
    known = [time is not None for time in times]
    for k in range(len(part.cycles)):
        radius = np.linalg.norm(points[:, 2 * k : 2 * k + 2], axis=1)
        assert radius.tolist() == pytest.approx([float(is_known) for is_known in known], abs=1e-6)


def test_times_a_year_apart_have_the_same_month() -> None:
    some = dates([day(3), day(3, year=1999), day(4)])
    points = DateEncoder().fit_transform(some)
    np.testing.assert_array_equal(points[0, :2], points[1, :2])
    assert some.clean["event_time"][0] - some.clean["event_time"][1] > timedelta(days=365)
