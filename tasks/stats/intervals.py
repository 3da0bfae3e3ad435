"""Intervals of shares, and how figures are written in JSON and in sentences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
"""Standard deviations on either side of a mean between which 95 % lie."""

SMALL = 1e-3
"""Numbers below it are written with six digits instead of six decimals."""

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]


def wilson(hits: Ints, rows: Ints) -> tuple[Floats, Floats]:
    """The ends of the 95 % intervals of shares, by Wilson (1927), which hold for few rows too.

    SciPy has them for one share at a time. Of no rows the share may be anything from 0 to 1.

    Args:
        hits: (n,) rows that count, of each share.
        rows: (n,) all its rows.

    Returns:
        (n,) lower and (n,) upper ends, from 0 to 1.

    >>> low, high = wilson(np.array([5, 0]), np.array([10, 0]))
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([0.24, 0.0], [0.76, 1.0])
    """
    total = np.maximum(rows, 1)
    share, square = hits / total, Z * Z / total
    middle = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * np.sqrt(share * (1 - share) / total + square / (4 * total))
    low, high = np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
    return np.where(rows, low, 0.0), np.where(rows, high, 1.0)


def json_number(value: float) -> float | None:
    """A number with six decimals, a small one with six digits; None for what JSON cannot hold."""
    if not np.isfinite(value):
        return None
    return round(float(value), 6) if abs(value) >= SMALL else float(f"{value:.6g}")


def percent(share: float) -> str:
    """A share in per cent, rounded down: 100 % and 0 % are written only where they are exact.

    >>> percent(0.125), percent(0.0004)
    ('12.5 %', 'less than 0.1 %')
    """
    if 0 < share < 0.001:
        return "less than 0.1 %"
    tenths = math.floor(share * 1000 + 1e-6)
    return "more than 99.9 %" if share < 1 and tenths >= 1000 else f"{tenths / 10:g} %"
