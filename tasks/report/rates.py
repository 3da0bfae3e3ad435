"""How often the followed class comes among some rows, or the mean of a label that is a number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.topics.over_time import wilson
from fusemine.tasks.report.facts import classes, numbers
from fusemine.tasks.report.words import amount, cut, finite, percent

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Rate:
    """A label's rate among some rows: a share or None, what to say of it, and its interval."""

    share: float | None = None
    words: str = ""
    bounds: str = ""


def share_bounds(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson."""
    low, high = wilson(np.array([hits]), np.array([rows]))
    return float(low[0]), float(high[0])


def rate(rows: pl.DataFrame, followed: str | None) -> float | None:
    """The share of the labelled rows that have the followed class."""
    labelled = rows.height - rows["label"].null_count()
    if followed is None or not labelled:
        return None
    return int((rows["label"] == followed).sum()) / labelled


def rated(rows: pl.DataFrame, followed: str | None) -> Rate:
    """The rate of the followed class, or the commonest class where none is followed."""
    found = classes(rows["label"])
    total = sum(n for _, n in found)
    if not found:
        return Rate()
    name, hits = (followed, dict(found).get(followed, 0)) if followed is not None else found[0]
    low, high = share_bounds(hits, total)
    bounds = f"{percent(low)} to {percent(high)}"
    said = percent(hits / total)
    if followed is not None:
        return Rate(hits / total, said, bounds)
    return Rate(None, f"{cut(name, 40)} {said}", bounds)


def mean_rated(rows: pl.DataFrame) -> Rate:
    """The mean of a label that is a number, with 1.96 standard errors on either side."""
    values = numbers(rows["label"])
    mean, spread = finite(values.mean()), finite(values.std())
    if mean is None:
        return Rate()
    error = 1.96 * (spread or 0.0) / math.sqrt(values.len())
    ends = f"{amount(mean - error, fixed=True)} to {amount(mean + error, fixed=True)}"
    return Rate(None, amount(mean, fixed=True), ends if error else "")
