"""Which topics come with which categories more, or less, often than by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fusemine.tasks.mine.topic_chain.contracts import polars_schema
from fusemine.tasks.mine.topics.contracts import CROSSED
from fusemine.tasks.table.roles import CATEGORY

if TYPE_CHECKING:
    from fusemine.tasks.stats.intervals import Floats, Ints

LIFT, LEAST, RATE = 2.0, 5, 0.05
"""A pair is notable that has so many times the rows that chance would give, and so many rows; or
that has as many times fewer, where chance would give so many rows. Of all notable pairs, at most
the share `RATE` is expected to be chance."""
_SCHEMA = polars_schema(CROSSED) | {"p_value": pl.Float64}


def category_lift(clean: pl.DataFrame, topics: Ints, most_levels: int = 12) -> pl.DataFrame:
    """Count each topic with each level of each category.

    P-values are those of Fisher's exact test (1922), corrected over all pairs by Benjamini and
    Hochberg (1995); pairs whose lift does not matter count as tested, with a p-value of 1.

    Args:
        clean: The clean table of n rows.
        topics: (n,) the topic of each row, below 0 without a text.
        most_levels: So many of a column's levels are used, the most frequent ones.

    Returns:
        By `contracts.CROSSED`: each pair of each column with two levels or more, ordered by
        column, by the level's rows (most first) and by topic. `share` is of the topic's rows
        that have a value in the column; `lift` is the rows over those that chance would give.
        Levels are whole: they are the user's data, to be cut and quoted where they are shown.
    """
    has_topic = np.asarray(topics) >= 0
    rows = clean.filter(pl.Series(has_topic))
    kinds, codes = np.unique(topics[has_topic], return_inverse=True)
    names = sorted(name for name in clean.columns if name.startswith(CATEGORY))
    pairs = [_pairs(rows[name], kinds, codes, most_levels) for name in names]
    return _with_notable(pl.concat([pl.DataFrame(schema=_SCHEMA), *pairs])).drop("p_value")


def _pairs(values: pl.Series, kinds: Ints, codes: Ints, most_levels: int) -> pl.DataFrame:
    """The pairs of one column with the p-value of each."""
    known, levels = values.is_not_null().to_numpy(), _levels(values)
    if len(levels) < 2:
        return pl.DataFrame(schema=_SCHEMA)
    head = levels[:most_levels]
    # Rows with any other level are counted together, after those with the first ones.
    places = {level: place for place, level in enumerate(head)}
    place = np.array([places.get(v, len(head)) for v in values.filter(pl.Series(known))])
    size = len(head) + 1, len(kinds)
    counts = np.bincount(place * size[1] + codes[known], minlength=size[0] * size[1]).reshape(size)
    of_topic, of_level, inner = counts.sum(axis=0), counts.sum(axis=1)[:-1], counts[:-1]
    # The rows of each pair if topics and levels were independent.
    mean = np.outer(of_level, of_topic) / counts.sum()
    columns = {
        "column": values.name.removeprefix(CATEGORY),
        "level": [level for level in head for _ in kinds],
        "topic": np.tile(kinds, len(head)),
        "rows": inner.ravel(),
        "share": (inner / np.maximum(of_topic, 1)).ravel(),
        "lift": np.divide(inner, mean, out=np.ones(mean.shape), where=mean > 0).ravel(),
        "notable": False,
        "p_value": _p_values(inner, mean, of_level, of_topic).ravel(),
    }
    return pl.DataFrame(columns, _SCHEMA)


def _levels(values: pl.Series) -> list[str]:
    """The levels of a column, most frequent first, ties by name."""
    counts = values.drop_nulls().rename("level").value_counts()
    order = counts.sort(["count", "level"], descending=[True, False])
    return [str(level) for level in order["level"]]


def _p_values(counts: Ints, mean: Floats, of_level: Ints, of_topic: Ints) -> Floats:
    """The two-sided p-values of the (l, t) counts whose lift matters; 1 for the others."""
    from scipy.stats import hypergeom

    many = (counts >= LIFT * mean) & (counts >= LEAST)
    few = (counts <= mean / LIFT) & (mean >= LEAST)
    level, topic = (np.broadcast_to(x, counts.shape) for x in (of_level[:, None], of_topic))
    total = int(of_topic.sum())
    found = np.ones(counts.shape)
    # Given the sums of its row and column, a count is hypergeometric; twice one tail is two-sided.
    found[many] = 2 * hypergeom.sf(counts[many] - 1, total, level[many], topic[many])
    found[few] = 2 * hypergeom.cdf(counts[few], total, level[few], topic[few])
    return np.clip(found, 0, 1)


def _with_notable(pairs: pl.DataFrame) -> pl.DataFrame:
    from scipy.stats import false_discovery_control

    if not pairs.height:
        return pairs
    corrected = false_discovery_control(pairs["p_value"].to_numpy())
    return pairs.with_columns(notable=pl.Series(corrected <= RATE))
