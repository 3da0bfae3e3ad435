"""Intervals of shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
"""Standard deviations on either side of a mean between which 95 % lie."""

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]


def wilson(hits: Ints, rows: Ints) -> tuple[Floats, Floats]:
    """The ends of the 95 % intervals of shares, by Wilson (1927), which hold for few rows too.

    SciPy has them for one share at a time. Of no rows the share may be anything from 0 to 1.
    """
    total = np.maximum(rows, 1)
    share, square = hits / total, Z * Z / total
    middle = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * np.sqrt(share * (1 - share) / total + square / (4 * total))
    low, high = np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
    return np.where(rows, low, 0.0), np.where(rows, high, 1.0)
