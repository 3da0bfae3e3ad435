"""Times as users write them."""

from __future__ import annotations

from datetime import date, time
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from fusemine.tasks.table.roles import TimeColumn

_HOURS = ("%H", "%I", "%T", "%R", "%s", "%c", "%X", "%k", "%l", "%r", "%+")
UTC_TIME = pl.Datetime("us", "UTC")
_PER_DAY = {unit: 86_400 * number for unit, number in (("ms", 10**3), ("us", 10**6), ("ns", 10**9))}
# In every zone they are of the years 1 to 9999.
_FIRST_DAY, _LAST_DAY = (
    (date(y, m, d) - date(1970, 1, 1)).days for y, m, d in ((1, 1, 3), (9999, 12, 29))
)
_ISO = (
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)


def parse_times(values: pl.Series, column: TimeColumn, timezone: str) -> pl.Series:
    """Times in UTC; a value that no format reads becomes null.

    Args:
        values: The column as the source has it: text, dates or datetimes.
        column: The formats to try, in order.
        timezone: Zone of the times that state none.

    >>> from fusemine.tasks.table.roles import TimeColumn
    >>> values = pl.Series(["5/31/1996", "31.5.1996"])
    >>> parse_times(values, TimeColumn(column="day", formats=("%m/%d/%Y",)), "UTC").to_list()
    [datetime.datetime(1996, 5, 31, 0, 0, tzinfo=zoneinfo.ZoneInfo(key='UTC')), None]
    """
    if values.dtype in (pl.Date, pl.Datetime):
        return _in_utc(values, timezone)
    texts = values.cast(pl.String).str.strip_chars()
    result = pl.Series(values.name, [None] * len(texts), dtype=UTC_TIME)
    for pattern in column.formats or _ISO:
        if result.null_count() == 0:
            break
        result = result.zip_with(result.is_not_null(), _parse(texts, pattern, timezone))
    return result


def _parse(texts: pl.Series, pattern: str, timezone: str) -> pl.Series:
    try:
        times = _strptime(texts, pattern, timezone)
    except pl.exceptions.ComputeError:  # a format that can read nothing, as hours without minutes
        return pl.Series(texts.name, [None] * len(texts), dtype=UTC_TIME)
    # %Y takes two digits for a year of the first century.
    return times.set((times.dt.year() < 100).fill_null(value=False), None)


def _strptime(texts: pl.Series, pattern: str, timezone: str) -> pl.Series:
    if any(code in pattern for code in ("%z", "%#z", "%:z", "%+")):
        zoned = texts.str.to_datetime(pattern, time_unit="us", time_zone="UTC", strict=False)
        return zoned.cast(UTC_TIME)
    if not any(code in pattern for code in _HOURS):
        return _in_utc(texts.str.to_date(pattern, strict=False), timezone)
    return _in_utc(texts.str.to_datetime(pattern, time_unit="us", strict=False), timezone)


def _in_utc(times: pl.Series, timezone: str) -> pl.Series:
    times = _of_calendar(times)
    if times.dtype == pl.Date:
        times = times.cast(pl.Datetime("us"))
    if isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone is None:
        # The hour that a clock repeats in autumn is taken as its first pass; the hour that it
        # skips in spring does not exist, so such a time cannot be read.
        # A day whose midnight it skips begins an hour later.
        later = times.dt.offset_by("1h").zip_with(times.dt.time() == time(0), times)
        local, after = _localized(times, timezone), _localized(later, timezone)
        times = local.zip_with(local.is_not_null(), after)
    return times.dt.convert_time_zone("UTC").cast(UTC_TIME)


def _of_calendar(times: pl.Series) -> pl.Series:
    """Without those that no calendar has, whose number is one of another unit or of no time."""
    per_day = 1 if times.dtype == pl.Date else _PER_DAY[getattr(times.dtype, "time_unit", "us")]
    days = times.to_physical() // per_day
    return times.set((~days.is_between(_FIRST_DAY, _LAST_DAY)).fill_null(value=False), None)


def _localized(times: pl.Series, timezone: str) -> pl.Series:
    return times.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
