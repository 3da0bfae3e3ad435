"""Groups that have far more rows in a partition than their history makes one expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.anomalies.contracts import BURSTS
from fusemine.tasks.mine.anomalies.evidence import Burst
from fusemine.tasks.mine.anomalies.views.view import View, absent
from fusemine.tasks.stats.p_values import benjamini_hochberg
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusemine.tasks.mine.anomalies.views.view import Flags, Floats, Ints

EARLIER = 6
"""Partitions that must come before one, so that something can be expected of it."""
LAST = 3
"""Partitions in a row that make a level shift."""
MIN_ROWS = 5
"""A group of fewer rows in a partition is no burst."""
MAX_LEVELS = 200
"""Levels of a column that are tested: those with the most rows."""
RATE = 0.05
"""The share of a partition's bursts that is expected to be chance."""
LEAST = 0.01
"""A burst alone does not make a row rarer than this: it is reported as a whole, not by its rows."""


@dataclass(frozen=True)
class RowBursts:
    """The bursts that n rows are in.

    Attributes:
        view: How rare these are: the share of the rows in bursts as rare; NaN without a history.
        of_row: (n,) which of `bursts` each row is in, the rarest of several, or -1.
        bursts: All bursts, by partition, the rarest first.
    """

    view: View
    of_row: Ints
    bursts: list[Burst]

    def evidence(self, row: int) -> Burst | None:
        """The burst that a row is in."""
        return None if self.of_row[row] < 0 else self.bursts[int(self.of_row[row])]


@storable
@dataclass(frozen=True)
class BurstDetector:
    """The bursts of a window of partitions.

    Bursts are counted in whole partitions, so that rows of other partitions are not in the view.

    Attributes:
        partitions: The partitions of the window.
        bursts: Its bursts, by partition, the rarest first.
        p_values: (b,) how probable each is.
        ordered: The p-values of the rows in bursts, ascending, one for each row.
        rows: How many rows the window has.
    """

    partitions: list[str]
    bursts: list[Burst]
    p_values: Floats
    ordered: Floats
    rows: int

    @classmethod
    def of(cls, found: pl.DataFrame, clean: pl.DataFrame) -> BurstDetector:
        """Keep the bursts that were found in a clean table, by the contract `bursts`."""
        records = found.select(*Burst.__dataclass_fields__).iter_rows(named=True)
        bursts, p_values = [Burst(**record) for record in records], found["p_value"].to_numpy()
        _, rarest = _rarest(clean, bursts, p_values)
        partitions = clean["partition"].unique().sort().to_list()
        ordered = np.sort(rarest[np.isfinite(rarest)])
        return cls(partitions, bursts, p_values, ordered, clean.height)

    def score(self, clean: pl.DataFrame, known: Flags | None = None) -> RowBursts:
        """How rare the bursts are that the n rows of a clean table are in.

        Args:
            clean: The rows.
            known: (n,) rows of history among those of the window, which are compared with each
                other alone; None for none.
        """
        of_row, rarest = _rarest(clean, self.bursts, self.p_values)
        shares = _share_of_rows(rarest, self.ordered, self.rows)
        if known is not None:
            history = _share_of_rows(rarest, np.sort(rarest[known]), int(known.sum()))
            shares = np.where(known, history, shares)
        there = clean["partition"].is_in(self.partitions).to_numpy()
        return RowBursts(View(np.where(there, shares, np.nan)), of_row, self.bursts)


@dataclass(frozen=True)
class Bursts:
    """The bursts of a window.

    Attributes:
        found: A row for each burst as `contracts.BURSTS` declares, by partition, the rarest first.
        rows: The bursts that the rows are in; where bursts can be detected there is a view, even
            if it finds none, so that a burst of new rows does not change the p-values of all.
        detector: Detects whether further rows are in them; None where there is no view.
    """

    found: pl.DataFrame
    rows: RowBursts
    detector: BurstDetector | None


def find_bursts(clean: pl.DataFrame, known: Flags) -> Bursts:
    """Find bursts of the levels of every category.

    What is expected of a level is its earlier share of the rows, times the partition's rows. How
    far its counts scatter comes from the earlier partitions too: counts scatter at least as the
    Poisson distribution predicts, and by as much more as they did (negative binomial; see Noufaily
    et al. 2013 on outbreaks). Of the tests in one partition those count that are significant by
    Benjamini and Hochberg (1995); levels that did not grow count as tested and as chance. Where
    the last `LAST` partitions all lie above the usual range, it is a level shift instead.

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
    columns = [name for name in clean.columns if name.startswith(CATEGORY)]
    counted = [_count(clean[name], known, of_row, len(order)) for name in columns]
    total = np.bincount(of_row, minlength=len(order)).astype(np.float64)
    records = [
        (column, level, order[at], *rest)
        for partition in range(EARLIER, len(order))
        for column, level, at, *rest in _found_in(counted, total, partition)
    ]
    found = pl.DataFrame(records, pl.DataFrame(BURSTS.empty()).schema, orient="row")
    detector = BurstDetector.of(found, clean)
    return Bursts(found, detector.score(clean, known), detector)


def _none(rows: int, note: str) -> Bursts:
    nowhere = RowBursts(absent(rows, note), np.full(rows, -1, np.int64), [])
    return Bursts(pl.DataFrame(BURSTS.empty()), nowhere, None)


@dataclass(frozen=True)
class _Counts:
    """How many rows each of l levels of a column has in each of p partitions, (l, p).

    `known` (l,) are the levels that history has.
    """

    column: str
    levels: list[str]
    known: Flags
    counts: Floats


def _count(values: pl.Series, known: Flags, of_row: Ints, partitions: int) -> _Counts:
    # Levels of new rows alone come last, so that they take no level's place.
    rows = (
        pl.DataFrame({"level": values, "known": known})
        .drop_nulls()
        .group_by("level")
        .agg(pl.col("known").sum(), pl.len().alias("rows"))
        .sort(["known", "rows", "level"], descending=[True, True, False])
        .head(MAX_LEVELS)
    )
    levels = rows["level"].to_list()
    place = {level: code for code, level in enumerate(levels)}
    codes = np.array([place.get(value, -1) for value in values.to_list()], np.int64)
    there = codes >= 0
    cells = codes[there] * partitions + of_row[there]
    counts = np.bincount(cells, minlength=len(levels) * partitions).reshape(-1, partitions)
    seen = (rows["known"] > 0).to_numpy()
    return _Counts(values.name.removeprefix(CATEGORY), levels, seen, counts.astype(np.float64))


def _found_in(counted: list[_Counts], total: Floats, partition: int) -> list[tuple[Any, ...]]:
    """The bursts of one partition, the rarest first."""
    records = [record for counts in counted for record in _tests(counts, total, partition)]
    p_values = np.array([record[-1] for record in records])
    significant = benjamini_hochberg(p_values, RATE) if len(records) else np.zeros(0, bool)
    kept = [record for record, keep in zip(records, significant, strict=True) if keep]
    return sorted(kept, key=lambda record: record[-1])


def _tests(counts: _Counts, total: Floats, partition: int) -> Iterator[tuple[Any, ...]]:
    """Of each level: column, level, partition, rows, expected, low, high, kind, p-value."""
    if not len(counts.levels):
        return
    rows = counts.counts[:, partition]
    expected = _Expected.of(counts.counts[:, :partition], total[:partition], total[partition])
    p_values, kinds = expected.above(rows), np.full(len(rows), "burst", object)
    before = partition + 1 - LAST
    # Only the last partitions can be a level shift: an earlier one has ended or still shows.
    if partition == len(total) - 1 and before >= EARLIER:
        shifted, together = _shifted(counts.counts, total, before)
        p_values = np.where(shifted, together, p_values)
        kinds = np.where(shifted, "level shift", kinds)
        earlier = _Expected.of(counts.counts[:, :before], total[:before], total[partition])
        expected = expected.where(shifted, earlier)
    low, high = expected.span()
    # What did not grow was tested all the same: chosen for being high, it would be chance.
    p_values = np.where((rows >= MIN_ROWS) & (rows > high), p_values, 1)
    for i in np.flatnonzero(counts.known | (rows > 0)).tolist():
        span, mean = (int(low[i]), int(high[i])), round(float(expected.mean[i]), 2)
        found = (int(rows[i]), mean, *span, str(kinds[i]), float(p_values[i]))
        yield (counts.column, counts.levels[i], partition, *found)


def _shifted(counts: Floats, total: Floats, before: int) -> tuple[Flags, Floats]:
    """Whether all partitions from `before` on lie above the usual range, and how rare that is.

    The p-values of the partitions are combined by Fisher's method.
    """
    from scipy.stats import chi2

    above = np.ones(len(counts), bool)
    logs = np.zeros(len(counts))
    for partition in range(before, counts.shape[1]):
        expected = _Expected.of(counts[:, :before], total[:before], total[partition])
        above &= counts[:, partition] > expected.span()[1]
        logs += np.log(np.maximum(expected.above(counts[:, partition]), 1e-300))
    return above, chi2.sf(-2 * logs, 2 * LAST)


@dataclass(frozen=True)
class _Expected:
    """What is expected of l levels: (l,) means, and how much wider than Poisson's they scatter."""

    mean: Floats
    wider: Floats

    @classmethod
    def of(cls, counts: Floats, total: Floats, rows: float) -> _Expected:
        # Half a row more, as a level that was never there may still come.
        share = (counts.sum(axis=1) + 0.5) / (total.sum() + 1)
        expected = share[:, None] * total
        gaps = ((counts - expected) ** 2 / expected).sum(axis=1)
        # The shares are known only from so many partitions, and so is how far they scatter.
        wider = np.maximum(gaps / (counts.shape[1] - 1), 1)
        unsure = 1 + 2 / np.sqrt(2 * (counts.shape[1] - 1))
        return cls(share * rows, 1 + (wider * unsure - 1) + wider * rows / total.sum())

    def where(self, chosen: Flags, other: _Expected) -> _Expected:
        return _Expected(
            np.where(chosen, other.mean, self.mean), np.where(chosen, other.wider, self.wider)
        )

    def above(self, rows: Floats) -> Floats:
        """How probable so many rows are, or more."""
        return np.asarray(self._distribution().sf(rows - 1))

    def span(self) -> tuple[Floats, Floats]:
        """Between which counts nineteen of twenty lie."""
        return self._distribution().ppf(0.025), self._distribution().ppf(0.975)

    def _distribution(self) -> Any:
        from scipy.stats import nbinom

        return nbinom(self.mean / (self.wider - 1), 1 / self.wider)


def _rarest(clean: pl.DataFrame, bursts: Sequence[Burst], p_values: Floats) -> tuple[Ints, Floats]:
    """(n,) the rarest burst that each row is in, or -1, and its p-value, infinite for none."""
    of_row, rarest = np.full(clean.height, -1, np.int64), np.full(clean.height, np.inf)
    partitions = clean["partition"]
    there = {burst.partition for burst in bursts} & set(partitions.unique())
    places = {name: np.flatnonzero((partitions == name).to_numpy()) for name in there}
    for number, burst in enumerate(bursts):
        if burst.partition in there:
            rows = places[burst.partition]
            same = clean[CATEGORY + burst.column][rows] == burst.level
            rows = rows[same.fill_null(value=False).to_numpy()]
            rows = rows[p_values[number] < rarest[rows]]
            of_row[rows], rarest[rows] = number, p_values[number]
    return of_row, rarest


def _share_of_rows(rarest: Floats, ordered: Floats, rows: int) -> Floats:
    """The share of so many rows that are in bursts as rare, at least `LEAST`; 1 for no burst.

    Args:
        rarest: (n,) the p-values of bursts, infinite for none.
        ordered: Those of the rows in bursts, ascending.
        rows: How many rows there are, in bursts or not.
    """
    share = np.searchsorted(ordered, rarest, "right") / max(rows, 1)
    return np.where(np.isinf(rarest), 1, np.maximum(share, LEAST))
