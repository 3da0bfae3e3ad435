"""A few of many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def evenly(rows: int, most: int) -> NDArray[np.intp]:
    """Positions of at most so many of the rows, evenly spread and in their order."""
    count = min(rows, most)
    return np.arange(count, dtype=np.intp) * rows // max(count, 1)
