"""Numbers on a scale on which neither their unit nor an outlier matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import Matrix, Rows, Transformer, as_columns
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
class NumberScaler(Transformer):
    """Number columns, each on a scale of its own.

    A missing number counts as the median, and a further feature marks it as missing.

    `settings.scaling` chooses the scale: `quantile` are the normal scores of the mid-ranks;
    `robust` is the distance from the median in interquartile ranges, at most 10 either way;
    `periodic` are sines and cosines of the normal scores, so that a linear model can follow
    curves (Gorishniy, Rubachev and Babenko 2022, but with fixed periods, not learned ones).
    """

    def __init__(self, settings: FuseSettings | None = None) -> None:
        self.settings = settings or FuseSettings()

    def fit_transform(self, rows: Rows, target: Target | None = None) -> Matrix:  # noqa: ARG002
        """Learn each column's scale."""
        kind: type[NormalScores | RobustScale] = (
            RobustScale if self.settings.scaling == "robust" else NormalScores
        )
        self.names = [name.removeprefix(NUMBER) for name in rows.columns(NUMBER)]
        self.gaps = [bool(np.isnan(column).any()) for column in rows.numbers.T]
        self.scales: list[NormalScores | RobustScale] = [
            kind.of(column[~np.isnan(column)]) for column in rows.numbers.T
        ]
        return self.transform(rows)

    def transform(self, rows: Rows) -> Matrix:
        """Places on the scales, then 0 or 1 for missing, float32 (n, features)."""
        columns, missing = rows.numbers.T, np.isnan(rows.numbers).T
        scaled = [
            scale.transform(np.where(gap, scale.median, column))
            for column, gap, scale in zip(columns, missing, self.scales, strict=True)
        ]
        if self.settings.scaling == "periodic":
            scaled = [wave for scores in scaled for wave in _waves(scores)]
        marked = [gap for gap, marks in zip(missing, self.gaps, strict=True) if marks]
        return as_columns([*scaled, *marked], len(rows)).astype(np.float32)

    def get_feature_names_out(self) -> list[str]:
        """The columns, or their waves, then `<column> is missing` for those with gaps."""
        named = zip(self.names, self.gaps, strict=True)
        missing = [f"{name} is missing" for name, marks in named if marks]
        if self.settings.scaling == "periodic":
            return [f"{name} {wave}" for name in self.names for wave in _WAVES] + missing
        return self.names + missing


@storable
@dataclass(frozen=True)
class NormalScores:
    """The normal scores of one column, as a curve through the values seen."""

    values: Floats
    scores: Floats
    median: float

    @classmethod
    def of(cls, seen: Floats) -> NormalScores:
        """The scores of the mid-ranks of some values (n,), 0 for all where there are none."""
        if not len(seen):
            return cls(np.zeros(1), np.zeros(1), 0.0)
        from scipy.special import ndtri

        values, counts = np.unique(seen, return_counts=True)
        ranks = (np.cumsum(counts) - counts / 2) / len(seen)
        return cls(values, ndtri(ranks), 2 * float(np.median(seen / 2)))

    def transform(self, column: Floats) -> Floats:
        """The scores of some values (n,), interpolated between those seen."""
        return np.interp(column, self.values, self.scores)


@storable
@dataclass(frozen=True)
class RobustScale:
    """The median of one column and its unit, both halved: no difference of halves overflows."""

    half_median: float
    unit: float

    @property
    def median(self) -> float:
        """The median of the values seen."""
        return 2 * self.half_median

    @classmethod
    def of(cls, seen: Floats) -> RobustScale:
        """The scale of some values (n,)."""
        if not len(seen):
            return cls(0.0, np.inf)
        # Where most rows have the same number, the spread of the distinct numbers is the unit. A
        # constant column has no unit, so that whatever comes later is 0 as well.
        both = (seen, np.unique(seen))
        units = (np.subtract(*np.percentile(values / 2, [75, 25])) for values in both)
        unit = next((float(unit) for unit in units if unit > 0), np.inf)
        return cls(float(np.percentile(seen / 2, 50)), unit)

    def transform(self, column: Floats) -> Floats:
        """The distances of some values (n,) from the median, in interquartile ranges."""
        with np.errstate(over="ignore"):
            return np.clip((column / 2 - self.half_median) / self.unit, -FARTHEST, FARTHEST)


def _waves(scores: Floats) -> list[Floats]:
    angles = [2 * np.pi / period * scores for period in PERIODS]
    return [wave for angle in angles for wave in (np.sin(angle), np.cos(angle))]
