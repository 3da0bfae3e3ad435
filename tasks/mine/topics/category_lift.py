"""Which topics come with which categories more, or less, often than chance would have it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fusemine.tasks.table.roles import CATEGORY

LIFT, LEAST, CHANCE = 2.0, 5, 0.05
"""A pair is notable that has so many times the rows that chance would give, and so many rows; or
that has as many times fewer, where chance would give so many rows. Of all notable pairs, at most
the share `CHANCE` is expected to be chance."""
_CROSSED: dict[str, Any] = {
    "column": pl.String,
    "level": pl.String,
    "topic": pl.Int32,
    "rows": pl.Int64,
    "share": pl.Float64,
    "lift": pl.Float64,
    "notable": pl.Boolean,
}
Ints = NDArray[np.integer[Any]]


def crossed(clean: pl.DataFrame, topics: Ints, most_levels: int = 12) -> pl.DataFrame:
    """Count each topic with each level of each category.

    Chances are those of Fisher's exact test (1922), corrected over all pairs by Benjamini and
    Hochberg (1995); pairs whose lift is no matter count as tested and as chance.

    Args:
        clean: The clean table of n rows.
        topics: (n,) the topic of each row, below 0 without a text.
        most_levels: The most frequent levels of a column are looked at, so many.

    Returns:
        By `contracts.CROSSED`: each pair of each column with two levels or more, ordered by
        column, by the level's rows (most first) and by topic. `share` is of the topic's rows
        that have a value in the column; `lift` is the rows over those that chance would give.
        Levels are whole: they are the user's data, to be cut and quoted where they are shown.
    """
    spoken = np.asarray(topics) >= 0
    rows = clean.filter(pl.Series(spoken))
    kinds, codes = np.unique(topics[spoken], return_inverse=True)
    tables = [
        _cells(rows[name], kinds, codes, most_levels)
        for name in sorted(clean.columns)
        if name.startswith(CATEGORY)
    ]
    found = pl.concat([pl.DataFrame(schema=_CROSSED | {"chance": pl.Float64}), *tables])
    return _noted(found).select(*_CROSSED)


def _cells(values: pl.Series, kinds: Ints, codes: Ints, most_levels: int) -> pl.DataFrame:
    """The pairs of one column with the chance of each, 1 where its lift is no matter."""
    known = values.is_not_null().to_numpy()
    levels = _levels(values)
    head = levels[:most_levels]
    if len(levels) < 2:
        return pl.DataFrame(schema=_CROSSED | {"chance": pl.Float64})
    places = {level: place for place, level in enumerate(head)}
    place = np.array([places.get(v, len(head)) for v in values.filter(pl.Series(known))])
    size = len(head) + 1, len(kinds)
    counts = np.bincount(place * size[1] + codes[known], minlength=size[0] * size[1])
    counts = counts.reshape(size)
    of_topic, of_level = counts.sum(axis=0), counts.sum(axis=1)[: len(head)]
    inner = counts[: len(head)]
    mean = np.outer(of_level, of_topic) / counts.sum()
    columns = {
        "column": values.name.removeprefix(CATEGORY),
        "level": [level for level in head for _ in kinds],
        "topic": np.tile(kinds, len(head)),
        "rows": inner.ravel(),
        "share": (inner / np.maximum(of_topic, 1)).ravel(),
        "lift": np.divide(inner, mean, out=np.ones(mean.shape), where=mean > 0).ravel(),
        "notable": False,
        "chance": _chances(inner, mean, of_level, of_topic).ravel(),
    }
    return pl.DataFrame(columns, _CROSSED | {"chance": pl.Float64})


def _levels(values: pl.Series) -> list[str]:
    """The levels of a column, most frequent first, ties by name."""
    counts = values.drop_nulls().rename("level").value_counts()
    order = counts.sort(["count", "level"], descending=[True, False])
    return [str(level) for level in order["level"]]


def _chances(
    counts: Ints, mean: NDArray[np.float64], of_level: Ints, of_topic: Ints
) -> NDArray[np.float64]:
    """The two-sided chance of so many rows, of the (l, t) pairs whose lift matters; else 1."""
    from scipy.stats import hypergeom

    many = (counts >= LIFT * mean) & (counts >= LEAST)
    few = (counts <= mean / LIFT) & (mean >= LEAST)
    level, topic = (np.broadcast_to(x, counts.shape) for x in (of_level[:, None], of_topic))
    total = int(of_topic.sum())
    found = np.ones(counts.shape)
    found[many] = 2 * hypergeom.sf(counts[many] - 1, total, level[many], topic[many])
    found[few] = 2 * hypergeom.cdf(counts[few], total, level[few], topic[few])
    return np.clip(found, 0, 1)


def _noted(found: pl.DataFrame) -> pl.DataFrame:
    from scipy.stats import false_discovery_control

    if not found.height:
        return found
    corrected = false_discovery_control(found["chance"].to_numpy())
    return found.with_columns(notable=pl.Series(corrected <= CHANCE))
