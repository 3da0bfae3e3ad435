"""Dates as points on circles: the month of the year, the day of the week, the hour of the day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.transformers import Matrix, Rows, Transformer, as_columns

if TYPE_CHECKING:
    from fusemine.tasks.stats.target import Target

CYCLES = {"month": 12, "weekday": 7, "hour": 24}
"""Steps in one turn of each cycle. There is no year: later ones were never seen."""


@storable
class DateEncoder(Transformer):
    """The place of `event_time` in each cycle, as the sine and cosine of its angle.

    So December lies beside January. Only cycles that vary in the rows that it was fitted on count:
    a table of days has no hours. A missing time has zeros, which is the middle of the circles, and
    a further feature marks it as missing.
    """

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:  # noqa: ARG002
        """Find out which cycles vary, and whether times are missing."""
        turns = _turns(rows)
        self.cycles = [name for name in turns.columns if turns[name].drop_nulls().n_unique() > 1]
        self.gaps = any(0 < turns[name].null_count() < len(rows) for name in turns.columns)
        return self.transform(rows)

    def transform(self, rows: Rows) -> Matrix:
        """Sines and cosines from -1 to 1, then 0 or 1 for missing, float32 (n, features)."""
        turns = _turns(rows)
        angles = [2 * np.pi * turns[name].to_numpy() for name in self.cycles]
        points = [wave for angle in angles for wave in (np.sin(angle), np.cos(angle))]
        missing = [turns["month"].is_null().to_numpy()] if self.gaps else []
        return np.nan_to_num(as_columns([*points, *missing], len(rows)).astype(np.float32))

    def get_feature_names_out(self) -> list[str]:
        """`<cycle> sin` and `<cycle> cos`, then `time is missing` if there are gaps."""
        points = [f"{name} {wave}" for name in self.cycles for wave in ("sin", "cos")]
        return [*points, "time is missing"] if self.gaps else points


def _turns(rows: Rows) -> pl.DataFrame:
    """The place in each cycle as a share of its turn (n, cycles), null where there is no time."""
    if "event_time" not in rows.clean.columns:
        return pl.DataFrame()
    time = pl.col("event_time").cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(rows.timezone)
    steps = {"month": time.dt.month(), "weekday": time.dt.weekday(), "hour": time.dt.hour()}
    return rows.clean.select(
        (step.cast(pl.Float64) / CYCLES[name]).alias(name) for name, step in steps.items()
    )
