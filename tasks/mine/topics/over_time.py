"""How often each topic comes, partition by partition, and where it bursts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.mine.topic_chain.contracts import polars_schema
from fusemine.tasks.mine.topics.contracts import SHARES
from fusemine.tasks.stats.intervals import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.stats.intervals import Floats, Ints

EARLIER = 3
"""Earlier partitions with texts from which on something is expected of the next one."""
LEAST, TIMES, FALSE_BURSTS = 10, 1.5, 0.05
"""A burst has at least so many rows and so many times those expected; of all bursts that are
named, at most this share is expected to be chance."""
POOLED = 4
"""Partitions for which the dispersion of all topics counts beside a topic's own."""


def over_time(partitions: pl.Series, topics: Ints) -> pl.DataFrame:
    """Count every topic in every partition that has texts, and find its bursts.

    A burst is a count far above what the earlier partitions make one expect of one of this
    size. Counts of topics vary more than those of single draws do, so they are compared with a
    negative binomial distribution with the dispersion that the topic had so far (quasi-Poisson,
    Wedderburn 1974). The p-values of all counts that are tested are corrected together
    (Benjamini and Hochberg 1995).

    Args:
        partitions: (n,) the partition of each row; their keys sort in the order of time.
        topics: (n,) the topic of each row, below 0 without a text.

    Returns:
        By `contracts.SHARES`: a row for each topic and partition, ordered by both. Shares are
        of the partition's rows with a text, `expected` is a number of rows.
    """
    has_topic = np.asarray(topics) >= 0
    named = partitions.filter(pl.Series(has_topic)).cast(pl.String)
    times = named.unique().sort()
    kinds, codes = np.unique(topics[has_topic], return_inverse=True)
    place = times.search_sorted(named).to_numpy() if len(named) else np.empty(0, np.int64)
    size = len(kinds), len(times)
    # One number for each pair of topic and partition counts all pairs at once.
    counts = np.bincount(codes * size[1] + place, minlength=size[0] * size[1]).reshape(size)
    rows = np.broadcast_to(counts.sum(axis=0), size)
    low, high = wilson(counts, rows)
    expected, burst = _bursts(counts)
    columns = {
        "topic": np.repeat(kinds, len(times)),
        "partition": times.to_list() * len(kinds),
        "rows": counts.ravel(),
        "share": (counts / np.maximum(rows, 1)).ravel(),
        "low": low.ravel(),
        "high": high.ravel(),
        "expected": expected.ravel(),
        "burst": burst.ravel(),
    }
    frame = pl.DataFrame(columns, polars_schema(SHARES))
    return frame.with_columns(pl.col("expected").fill_nan(None))


def _bursts(counts: Ints) -> tuple[Floats, NDArray[np.bool_]]:
    """The (t, p) rows that are expected, NaN where nothing is, and whether there is a burst."""
    from scipy.stats import false_discovery_control

    expected = np.full(counts.shape, np.nan)
    burst = np.zeros(counts.shape, bool)
    if counts.shape[1] > EARLIER and len(counts):
        expected[:, EARLIER:], p_values = _expected(counts)
        # Rounding may leave a p-value a hair above 1.
        corrected = false_discovery_control(np.clip(p_values, 0, 1), axis=None)
        now, found = counts[:, EARLIER:], np.reshape(corrected, p_values.shape) <= FALSE_BURSTS
        burst[:, EARLIER:] = found & (now >= LEAST) & (now >= TIMES * expected[:, EARLIER:])
    return expected, burst


def _expected(counts: Ints) -> tuple[Floats, Floats]:
    """The (t, p - EARLIER) rows that are expected, and the p-value of as many as there are."""
    from scipy.stats import nbinom

    sizes = counts.sum(axis=0)
    now, size = counts[:, EARLIER:], sizes[EARLIER:]
    before, rows = (np.cumsum(c, axis=-1)[..., EARLIER - 1 : -1] for c in (counts, sizes))
    squares = np.cumsum(counts**2 / sizes, axis=1)[:, EARLIER - 1 : -1]
    # Half a row more than there was: a topic that never was may still come by chance.
    share = (before + 0.5) / (rows + 1)
    # Pearson's statistic of the earlier partitions: the sum of (count - mean)² / mean.
    pearson = squares / share - 2 * before + share * rows
    dispersion = _dispersion(pearson, np.arange(len(size)) + EARLIER - 1)
    mean = share * size
    # The share is itself estimated from the earlier rows, which adds to the variance.
    ratio = dispersion * (1 + size / rows) + 1e-9
    return mean, nbinom.sf(now - 1, mean / (ratio - 1), 1 / ratio)


def _dispersion(pearson: Floats, degrees: Ints) -> Floats:
    """How much more than those of single draws the counts of each topic vary, at least 1.

    Of few partitions the dispersion is badly known; there that of all topics counts as well.
    """
    overall = np.maximum(pearson.mean(axis=0) / degrees, 1)
    pooled = (pearson + POOLED * overall) / (degrees + POOLED)
    return np.asarray(np.maximum(pooled, 1))
