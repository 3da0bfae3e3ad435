"""Round axes for values of any size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT = 1e100
"""Values beyond are left out of charts: their differences could be infinite."""


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high` with a tick at every `step`."""

    low: float
    high: float
    step: float

    def share(self, value: float) -> float:
        """Where a value lies, from 0 (low) to 1 (high); values beyond are at the ends."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def ticks(self) -> list[tuple[float, str]]:
        """The ticks with their labels."""
        count = round((self.high - self.low) / self.step)
        values = [self.low + place * self.step for place in range(count + 1)]
        # Sums of steps are not exact: what is nearly 0 is 0.
        exact = [0.0 if abs(value) < self.step / 1e6 else value for value in values]
        return [(value, f"{value:,.10g}".replace("-", "−")) for value in exact]


def drawable(value: float | None) -> bool:
    """Whether a value can be put on an axis."""
    return value is not None and math.isfinite(value) and abs(value) < LIMIT


def scale_of(values: Iterable[float | None], most: int = 5) -> Scale:
    """The round axis that holds all drawable values, with at most `most` + 2 ticks.

    >>> scale_of([0.12, 0.48, None])
    Scale(low=0.1, high=0.5, step=0.1)
    """
    known = [value for value in values if value is not None and drawable(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    # A single value gets an axis as wide as the value is large.
    size = max(abs(low), abs(high), 1e-100)
    if high - low < size * 1e-9:
        low, high = low - size / 2, high + size / 2
    step = _step((high - low) / most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(first * step, max(last, first + 1) * step, step)


def _step(least: float) -> float:
    """The next of 1, 2, 5 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next((n * power for n in (1, 2, 5) if least <= n * power * (1 + 1e-9)), 10 * power)
