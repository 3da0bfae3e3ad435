"""Groups that have far more rows in a partition than their history makes one expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fusemine.tasks.mine.anomalies.reasons.evidence import Burst
from fusemine.tasks.stats.p_values import rejected
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from collections.abc import Iterator

EARLIER = 6
"""Partitions that must come before one, so that something can be expected of it."""
LAST = 3
"""Partitions in a row that make a level shift."""
FEWEST = 5
"""A group of fewer rows in a partition is no burst."""
MOST_LEVELS = 200
"""Levels of a column that are watched: those with the most rows."""
RATE = 0.05
"""The share of a partition's bursts that is expected to be chance."""
LEAST = 0.01
"""A burst alone does not make a row rarer than this: it is told as a whole, not row by row."""
_COLUMNS: dict[str, Any] = {
    "column": pl.String,
    "level": pl.String,
    "partition": pl.String,
    "rows": pl.Int64,
    "expected": pl.Float64,
    "low": pl.Int64,
    "high": pl.Int64,
    "kind": pl.String,
    "p_value": pl.Float64,
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bursts:
    """The bursts of a window and the rows in them.

    Attributes:
        found: A row per burst as `contracts.BURSTS` says, by partition, the rarest first.
        of_row: (n,) the burst that each row is in, the rarest of several, or -1.
        rarity: (n,) the p-value of that burst, infinite where there is none.
        tails: (n,) the share of the rows in bursts as rare, NaN where no partition has a history.
        note: `used`, or why there is nothing.
    """

    found: pl.DataFrame
    of_row: NDArray[np.int64]
    rarity: Floats
    tails: Floats
    note: str

    def evidence(self, row: int) -> Burst | None:
        """The burst that a row is in."""
        if self.of_row[row] < 0:
            return None
        burst = self.found.row(int(self.of_row[row]), named=True)
        return Burst(**{name: burst[name] for name in Burst.__dataclass_fields__})


@dataclass(frozen=True)
class _Counts:
    """How many rows each of l levels of a column has in each of p partitions, (l, p).

    `known` (l,) tells the levels that history has, `codes` (n,) the level of each row or -1.
    """

    column: str
    levels: list[str]
    known: NDArray[np.bool_]
    codes: NDArray[np.int64]
    counts: Floats


def find_bursts(clean: pl.DataFrame, known: NDArray[np.bool_]) -> Bursts:
    """Look for bursts of the levels of every category.

    What is expected of a level is its earlier share of the rows, times the partition's rows. How
    far its counts scatter comes from the earlier partitions too: counts scatter at least as the
    Poisson distribution says, and by as much more as they did (negative binomial; see Noufaily et
    al. 2013 on outbreaks). Of the tests in one partition those stand that Benjamini and Hochberg
    (1995) let stand; levels that did not swell count as tested and as chance. Where the last
    `LAST` partitions all lie above what is usual, it is a level shift instead.

    Args:
        clean: The clean table of n rows, oldest partition first.
        known: (n,) the rows of history.
    """
    partitions = clean["partition"]
    order = partitions.unique(maintain_order=True).to_list()
    if len(order) <= EARLIER:
        return _none(clean.height, f"fewer than {EARLIER + 1} partitions")
    if clean["event_time"].null_count() == clean.height:
        return _none(clean.height, "no time column")
    place = {name: i for i, name in enumerate(order)}
    of_row = partitions.replace_strict(place, return_dtype=pl.Int64).to_numpy()
    named = [name for name in clean.columns if name.startswith(CATEGORY)]
    watched = [_count(clean[name], known, of_row, len(order)) for name in named]
    total = np.bincount(of_row, minlength=len(order)).astype(np.float64)
    records = [
        record
        for partition in range(EARLIER, len(order))
        for record in _standing(watched, total, partition, partition == len(order) - 1)
    ]
    found = pl.DataFrame(
        [(column, level, order[at], *rest) for column, level, at, *rest in records],
        _COLUMNS,
        orient="row",
    )
    return _placed(found, watched, of_row, place, known)


def _none(rows: int, note: str) -> Bursts:
    tails, rarity = np.full(rows, np.nan), np.full(rows, np.inf)
    found = pl.DataFrame(schema=_COLUMNS)
    return Bursts(found, np.full(rows, -1, np.int64), rarity, tails, note)


def _count(
    values: pl.Series, known: NDArray[np.bool_], of_row: NDArray[np.int64], partitions: int
) -> _Counts:
    # Levels of new rows alone come last, so that they take no level's place.
    rows = (
        pl.DataFrame({"level": values, "known": known})
        .drop_nulls()
        .group_by("level")
        .agg(pl.col("known").sum(), pl.len().alias("rows"))
        .sort(["known", "rows", "level"], descending=[True, True, False])
        .head(MOST_LEVELS)
    )
    levels = rows["level"].to_list()
    place = {level: code for code, level in enumerate(levels)}
    codes = np.array([place.get(value, -1) for value in values.to_list()], np.int64)
    there = codes >= 0
    cells = codes[there] * partitions + of_row[there]
    counts = np.bincount(cells, minlength=len(levels) * partitions).reshape(-1, partitions)
    seen = (rows["known"] > 0).to_numpy()
    return _Counts(
        values.name.removeprefix(CATEGORY), levels, seen, codes, counts.astype(np.float64)
    )


def _standing(
    watched: list[_Counts], total: Floats, partition: int, last: bool
) -> list[tuple[Any, ...]]:
    """The bursts of one partition, the rarest first."""
    records = [
        record for counts in watched for record in _tested(counts, total, partition, shifts=last)
    ]
    tails = np.array([record[-1] for record in records])
    stands = rejected(tails, RATE) if len(records) else np.zeros(0, bool)
    kept = [record for record, stood in zip(records, stands, strict=True) if stood]
    return sorted(kept, key=lambda record: record[-1])


def _tested(
    counts: _Counts, total: Floats, partition: int, *, shifts: bool
) -> Iterator[tuple[Any, ...]]:
    if not len(counts.levels):
        return
    rows = counts.counts[:, partition]
    usual = _Usual.of(counts.counts[:, :partition], total[:partition], total[partition])
    tails, kinds = usual.above(rows), np.full(len(rows), "burst", object)
    before = partition + 1 - LAST
    if shifts and before >= EARLIER:
        shifted, rarity = _shifted(counts.counts, total, before)
        tails, kinds = np.where(shifted, rarity, tails), np.where(shifted, "level shift", kinds)
        earlier = _Usual.of(counts.counts[:, :before], total[:before], total[partition])
        usual = usual.where(shifted, earlier)
    low, high = usual.span()
    swollen = (rows >= FEWEST) & (rows > high)
    # What did not swell was tested all the same: chosen for being high, it would be chance.
    tails = np.where(swollen, tails, 1)
    for i in np.flatnonzero(counts.known | (rows > 0)).tolist():
        span = int(low[i]), int(high[i])
        mean = round(float(usual.mean[i]), 2)
        told = (int(rows[i]), mean, *span, str(kinds[i]), float(tails[i]))
        yield (counts.column, counts.levels[i], partition, *told)


def _shifted(counts: Floats, total: Floats, before: int) -> tuple[NDArray[np.bool_], Floats]:
    """Whether the partitions from `before` on all lie above what is usual, and how rare that is."""
    from scipy.stats import chi2

    above = np.ones(len(counts), bool)
    logs = np.zeros(len(counts))
    for partition in range(before, counts.shape[1]):
        usual = _Usual.of(counts[:, :before], total[:before], total[partition])
        above &= counts[:, partition] > usual.span()[1]
        logs += np.log(np.maximum(usual.above(counts[:, partition]), 1e-300))
    return above, chi2.sf(-2 * logs, 2 * LAST)


@dataclass(frozen=True)
class _Usual:
    """What is expected of l levels: (l,) means, and how much wider than Poisson's they scatter."""

    mean: Floats
    wider: Floats

    @classmethod
    def of(cls, counts: Floats, total: Floats, rows: float) -> _Usual:
        # Half a row more, as a level that was never there may still come.
        share = (counts.sum(axis=1) + 0.5) / (total.sum() + 1)
        expected = share[:, None] * total
        gaps = ((counts - expected) ** 2 / expected).sum(axis=1)
        # The shares are known only from so many partitions, and so is how far they scatter.
        wider = np.maximum(gaps / (counts.shape[1] - 1), 1)
        unsure = 1 + 2 / np.sqrt(2 * (counts.shape[1] - 1))
        return cls(share * rows, 1 + (wider * unsure - 1) + wider * rows / total.sum())

    def where(self, chosen: NDArray[np.bool_], other: _Usual) -> _Usual:
        return _Usual(
            np.where(chosen, other.mean, self.mean), np.where(chosen, other.wider, self.wider)
        )

    def above(self, rows: Floats) -> Floats:
        """How probable so many rows are, or more."""
        return np.asarray(self._counts().sf(rows - 1))

    def span(self) -> tuple[Floats, Floats]:
        """Between which counts nineteen of twenty lie."""
        return self._counts().ppf(0.025), self._counts().ppf(0.975)

    def _counts(self) -> Any:
        from scipy.stats import nbinom

        return nbinom(self.mean / (self.wider - 1), 1 / self.wider)


def _placed(
    found: pl.DataFrame,
    watched: list[_Counts],
    of_row: NDArray[np.int64],
    place: dict[str, int],
    known: NDArray[np.bool_],
) -> Bursts:
    by_name = {counts.column: counts for counts in watched}
    burst = np.full(len(of_row), -1, np.int64)
    rarity = np.full(len(of_row), np.inf)
    for number, record in enumerate(found.iter_rows(named=True)):
        counts = by_name[record["column"]]
        rows = counts.codes == counts.levels.index(record["level"])
        rows &= (of_row == place[record["partition"]]) & (record["p_value"] < rarity)
        burst[rows], rarity[rows] = number, record["p_value"]
    return Bursts(found, burst, rarity, _shares(rarity, known), "used")


def _shares(rarity: Floats, known: NDArray[np.bool_]) -> Floats:
    """The share of the rows in bursts as rare; of a known row among the known ones alone."""
    tails = np.ones(len(rarity))
    for rows, among in ((known, known), (~known, np.ones(len(known), bool))):
        tails[rows] = share_in(rarity[rows], np.sort(rarity[among]), int(among.sum()))
    return tails


def share_in(rarity: Floats, ordered: Floats, rows: int) -> Floats:
    """The share of so many rows that are in bursts as rare, at least `LEAST`; 1 for no burst.

    Args:
        rarity: (n,) the p-values of bursts, infinite for none.
        ordered: Those of the rows in bursts, ascending.
        rows: How many rows there are, in bursts or not.
    """
    share = np.searchsorted(ordered, rarity, "right") / max(rows, 1)
    return np.where(np.isinf(rarity), 1, np.maximum(share, LEAST))
