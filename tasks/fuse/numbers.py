"""Numbers on a scale on which neither their unit nor an outlier matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import Matrix, Part, Rows, as_columns
from fusemine.tasks.table.roles import NUMBER

if TYPE_CHECKING:
    from fusemine.tasks.stats.target import Floats, Target

FARTHEST = 10.0
"""A robust distance stops growing here."""
PERIODS = (16, 8, 4, 2)
"""In units of normal scores, which mostly lie within 3 of 0: half of the longest wave spans them
all, and the shortest tells numbers apart that are half a standard deviation from each other."""
_WAVES = [f"{wave} {period}" for period in PERIODS for wave in ("sin", "cos")]


@storable
class Numbers(Part):
    """Number columns, each on a scale of its own.

    A missing number counts as the median, and a further feature says that it was missing.

    `settings.scaling` chooses the scale: `quantile` are the normal scores of the mid-ranks;
    `robust` is the distance from the median in interquartile ranges, at most 10 either way;
    `periodic` are sines and cosines of the normal scores, so that a linear learner can follow
    curves (Gorishniy, Rubachev and Babenko 2022, but with fixed periods, not learnt ones).
    """

    def __init__(self, settings: FuseSettings | None = None) -> None:
        self.settings = settings or FuseSettings()

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:  # noqa: ARG002
        """Learn each column's scale."""
        scale = _ruler if self.settings.scaling == "robust" else _curve
        self.names = [name.removeprefix(NUMBER) for name in rows.columns(NUMBER)]
        self.scales: list[_Curve | _Ruler] = [scale(column) for column in rows.numbers.T]
        return self.transform(rows)

    def transform(self, rows: Rows) -> Matrix:
        """Places on the scales, then 0 or 1 for missing, float32 (n, features)."""
        columns = list(zip(rows.numbers.T, self.scales, strict=True))
        places = [scale.place(_filled(column, scale.median)) for column, scale in columns]
        if self.settings.scaling == "periodic":
            places = [wave for place in places for wave in _waves(place)]
        missing = [np.isnan(column) for column, scale in columns if scale.gaps]
        return as_columns([*places, *missing], len(rows)).astype(np.float32)

    def get_feature_names_out(self) -> list[str]:
        """The columns, or their waves, then `<column> is missing` for those with gaps."""
        named = zip(self.names, self.scales, strict=True)
        missing = [f"{name} is missing" for name, scale in named if scale.gaps]
        if self.settings.scaling == "periodic":
            return [f"{name} {wave}" for name in self.names for wave in _WAVES] + missing
        return self.names + missing


@storable
@dataclass(frozen=True)
class _Curve:
    """The normal scores of one column, as a curve through the values seen."""

    values: Floats
    scores: Floats
    median: float
    gaps: bool

    def place(self, column: Floats) -> Floats:
        return np.interp(column, self.values, self.scores)


@storable
@dataclass(frozen=True)
class _Ruler:
    """The median of one column and its unit, both halved: no difference of halves overflows."""

    middle: float
    unit: float
    gaps: bool

    @property
    def median(self) -> float:
        return 2 * self.middle

    def place(self, column: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return np.clip((column / 2 - self.middle) / self.unit, -FARTHEST, FARTHEST)


def _curve(column: Floats) -> _Curve:
    seen = column[~np.isnan(column)]
    gaps = len(seen) < len(column)
    if not len(seen):
        return _Curve(np.zeros(1), np.zeros(1), 0.0, gaps)
    from scipy.special import ndtri

    values, counts = np.unique(seen, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / len(seen)
    return _Curve(values, ndtri(ranks), 2 * float(np.median(seen / 2)), gaps)


def _ruler(column: Floats) -> _Ruler:
    seen = column[~np.isnan(column)]
    gaps = len(seen) < len(column)
    if not len(seen):
        return _Ruler(0.0, np.inf, gaps)
    # Where most rows have the same number, the distinct numbers tell how far apart they are; a
    # constant column has no unit, so that whatever comes later is 0 as well.
    units = (np.subtract(*np.percentile(some / 2, [75, 25])) for some in (seen, np.unique(seen)))
    unit = next((float(unit) for unit in units if unit > 0), np.inf)
    return _Ruler(float(np.percentile(seen / 2, 50)), unit, gaps)


def _filled(column: Floats, median: float) -> Floats:
    return np.where(np.isnan(column), median, column)


def _waves(scores: Floats) -> list[Floats]:
    angles = [2 * np.pi / period * scores for period in PERIODS]
    return [wave for angle in angles for wave in (np.sin(angle), np.cos(angle))]
