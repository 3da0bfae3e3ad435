"""Whether further rows belong to the bursts of a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.anomalies.reasons.evidence import Burst
from fusemine.tasks.mine.anomalies.views.bursts import share_in
from fusemine.tasks.mine.anomalies.views.view import View
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.views.bursts import Bursts


@storable
@dataclass(frozen=True)
class TimeDetector:
    """The bursts of a window of partitions.

    Bursts are counted in whole partitions, so that a row of another partition is not judged.

    Attributes:
        partitions: The partitions of the window.
        bursts: Its bursts, by partition, the rarest first.
        p_values: (b,) how probable each is.
        ordered: The p-values of the rows in bursts, ascending, one a row.
        rows: How many rows the window has.
    """

    partitions: list[str]
    bursts: list[Burst]
    p_values: NDArray[np.float64]
    ordered: NDArray[np.float64]
    rows: int

    @classmethod
    def of(cls, bursts: Bursts, partitions: pl.Series) -> TimeDetector | None:
        """Keep the bursts of a window, of whose n rows these are the partitions."""
        if np.isnan(bursts.tails).all():
            return None
        records = bursts.found.select(*Burst.__dataclass_fields__).iter_rows(named=True)
        return cls(
            partitions.unique().sort().to_list(),
            [Burst(**record) for record in records],
            bursts.found["p_value"].to_numpy(),
            np.sort(bursts.rarity[np.isfinite(bursts.rarity)]),
            partitions.len(),
        )

    def judge(self, clean: pl.DataFrame) -> Swollen:
        """How rare the bursts are that rows of a clean table are in, NaN outside the window."""
        there = clean["partition"].is_in(self.partitions).to_numpy()
        burst, rarity = np.full(clean.height, -1, np.int64), np.full(clean.height, np.inf)
        partitions = set(clean["partition"].unique().to_list())
        for number, its in enumerate(self.bursts):
            if its.partition in partitions:
                rows = (clean["partition"] == its.partition).to_numpy() & _in(clean, its)
                rows &= self.p_values[number] < rarity
                burst[rows], rarity[rows] = number, self.p_values[number]
        tails = np.where(there, share_in(rarity, self.ordered, self.rows), np.nan)
        return Swollen(View(tails), burst, self.bursts)


def _in(clean: pl.DataFrame, burst: Burst) -> NDArray[np.bool_]:
    levels = clean[CATEGORY + burst.column]
    return (levels == burst.level).fill_null(value=False).to_numpy()


@dataclass(frozen=True)
class Swollen:
    """The bursts that n rows are in.

    Attributes:
        view: How rare they are.
        of_row: (n,) which of `bursts` each row is in, the rarest of several, or -1.
        bursts: The window's.
    """

    view: View
    of_row: NDArray[np.int64]
    bursts: list[Burst]

    def evidence(self, row: int) -> Burst | None:
        """The burst that a row is in."""
        return None if self.of_row[row] < 0 else self.bursts[int(self.of_row[row])]
