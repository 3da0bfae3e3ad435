"""The target as columns for what learns from numbers only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusemine.tasks.stats.target import Floats, Target


def goals(target: Target) -> Floats:
    """Columns of order 1 that say what the label is, float64 (n, columns).

    Of two classes the second one, 0 or 1; otherwise 0 or 1 for every class; or the numbers in
    standard deviations from their mean.
    """
    columns = target.columns()
    if not target.is_number:
        return columns[:, 1:] if target.classes == 2 else columns
    centred: Floats = columns - columns.mean()
    deviation = float(centred.std())
    return centred / deviation if deviation > 0 else centred
