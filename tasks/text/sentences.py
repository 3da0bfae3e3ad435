"""Parts of sentences."""

from __future__ import annotations

import math


def percent(share: float) -> str:
    """A share in per cent, rounded down, so that 100 % and 0 % are said only where they hold."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    tenths = math.floor(share * 1000 + 1e-6)
    return "more than 99.9 %" if share < 1 and tenths >= 1000 else f"{tenths / 10:g} %"
