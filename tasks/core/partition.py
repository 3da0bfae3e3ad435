"""Partitions: the calendar pieces that a table is cut into, and the windows made of them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from fusemine.tasks.core.errors import SettingsError, nearest
from fusemine.tasks.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

ALL = "all"
"""The single partition of a table without times, and the window without a beginning."""


class By(StrEnum):
    """The length of a partition."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


_FORMAT = {By.DAY: "%Y-%m-%d", By.WEEK: "%G-W%V", By.MONTH: "%Y-%m", By.YEAR: "%Y"}
_SHAPE = {
    By.DAY: (r"\d{4}-\d{2}-\d{2}", "1996-05-31"),
    By.WEEK: (r"\d{4}-W\d{2}", "1996-W22"),
    By.MONTH: (r"\d{4}-\d{2}", "1996-05"),
    By.YEAR: (r"\d{4}", "1996"),
}


class PartitionSettings(Settings):
    """How the table is cut along its time column."""

    not_in_keys = not_shown = frozenset({"lag"})

    by: By = By.MONTH
    """Length of a partition."""
    timezone: str = "UTC"
    """IANA time zone of the calendar, and of times that state none."""
    lag: timedelta = Field(default=timedelta(days=1), ge=timedelta(0))
    """A scheduled run mines the partition of its scheduled start time less this (ISO 8601)."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin") from error
        return name


def partition_keys(times: pl.Series, settings: PartitionSettings) -> pl.Series:
    """The partition of each time (UTC); null stays null."""
    local = times.dt.convert_time_zone(settings.timezone)
    return local.dt.strftime(_FORMAT[settings.by])


def partition_of(moment: datetime, settings: PartitionSettings) -> str:
    """The partition that an aware moment falls into."""
    return _key(moment.astimezone(ZoneInfo(settings.timezone)).date(), settings.by)


def scheduled_partition(planned: datetime, settings: PartitionSettings) -> str:
    """The partition of a scheduled moment, less the lag.

    The lag is taken off the wall clock of the pipeline's zone, so that a daily schedule with a lag
    of whole days neither skips nor doubles a day when the clocks change. No code here can mend one
    exception: where the clocks skip midnight (Cairo, Havana), Prefect starts a run planned for
    the skipped hour at 23 o'clock of the day before, and there it looks like any other run.
    """
    local = planned.astimezone(ZoneInfo(settings.timezone)).replace(tzinfo=None)
    return _key((local - settings.lag).date(), settings.by)


def end_of(partition: str, settings: PartitionSettings) -> datetime | None:
    """The first moment (UTC) after a partition; None for the partition `all`."""
    if partition == ALL:
        return None
    after = _shift(_first_day(partition, settings.by), 1, settings.by)
    midnight = datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(settings.timezone))
    return midnight.astimezone(UTC)


def is_partition(key: str, settings: PartitionSettings | None) -> bool:
    """Whether a key has the form of a table's partitions.

    Args:
        key: The key.
        settings: How the table is cut; None if it has no time.
    """
    if settings is None or key == ALL:
        return settings is None and key == ALL
    return re.fullmatch(_SHAPE[settings.by][0], key) is not None


def check_partition(partition: str, settings: PartitionSettings) -> str:
    """The key itself, if it is one.

    Raises:
        SettingsError: It has not the form of this pipeline's partitions.
    """
    pattern, example = _SHAPE[settings.by]
    try:
        if re.fullmatch(pattern, partition):
            end_of(partition, settings)
            return partition
    except (ValueError, OverflowError):
        pass
    raise SettingsError(
        got=f"partition {partition!r}",
        expected=f"a {settings.by} such as {example}, or latest, or scheduled",
        fix=f"{nearest(partition, ['latest', 'scheduled'])}name one partition of the pipeline",
    )


def latest(keys: Collection[str], settings: PartitionSettings, now: datetime) -> str | None:
    """The last partition that has rows and has begun by now, or None."""
    today = partition_of(now, settings)
    return max((key for key in keys if key == ALL or key <= today), default=None)


def window_partitions(partition: str, size: int | str, keys: Collection[str], by: By) -> list[str]:
    """The partitions with rows that a run for `partition` mines, oldest first.

    Args:
        partition: The last partition of the window.
        size: How many calendar partitions it spans, or `all`.
        keys: All partitions that have rows.
        by: Length of a partition.

    >>> window_partitions("2024-03", 3, ["2023-12", "2024-01", "2024-03", "2024-04"], By.MONTH)
    ['2024-01', '2024-03']
    """
    first = "" if size == ALL or partition == ALL else _back(partition, int(size) - 1, by)
    return sorted(key for key in keys if first <= key <= partition)


def gaps(window: list[str], by: By) -> list[str]:
    """Calendar partitions between the first and the last of a window that have no rows."""
    if len(window) < 2:
        return []
    present = set(window)
    return [key for key in between(window[0], window[-1], by) if key not in present]


def between(first: str, last: str, by: By) -> list[str]:
    """All calendar partitions from `first` to `last`, both among them.

    >>> between("2023-W51", "2024-W02", By.WEEK)
    ['2023-W51', '2023-W52', '2024-W01', '2024-W02']
    """
    if first > last:
        return []
    day, keys = _first_day(first, by), []
    while (key := _key(day, by)) < last:
        keys.append(key)
        day = _shift(day, 1, by)
    return [*keys, last]


def _key(day: date, by: By) -> str:
    if by is By.WEEK:
        year, week, _ = day.isocalendar()
        return f"{year:04}-W{week:02}"
    return day.isoformat()[: {By.DAY: 10, By.MONTH: 7, By.YEAR: 4}[by]]


def _first_day(partition: str, by: By) -> date:
    if by is By.WEEK:
        return date.fromisocalendar(int(partition[:4]), int(partition[6:]), 1)
    return date.fromisoformat((partition + "-01-01")[:10])


def _shift(day: date, steps: int, by: By) -> date:
    """The first day of the partition so many steps later; the year 1 at the earliest."""
    if by in (By.MONTH, By.YEAR):
        size = 12 if by is By.YEAR else 1
        months = max(12, day.year * 12 + day.month - 1 + steps * size)
        return date(months // 12, months % 12 + 1, 1)
    return day + steps * timedelta(days=7 if by is By.WEEK else 1)


def _back(partition: str, steps: int, by: By) -> str:
    try:
        return _key(_shift(_first_day(partition, by), -steps, by), by)
    except OverflowError:  # before the first day that dates have
        return ""
