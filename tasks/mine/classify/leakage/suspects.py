"""What there is in a table that may give the label away, one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.errors import quote
from fusemine.tasks.table.roles import CATEGORY, NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ORDER = "(order of the rows)"
MOST_PREFIXES = 100
"""So many different letters beside the number in `row_id` may stand for something."""
MISSING = "(missing)"


@dataclass(frozen=True)
class Suspect:
    """One thing of each of n rows that may tell their label."""

    column: str
    """The column, without its role, or `ORDER`."""
    kind: str
    """`category`, `number`, `missing`, `order`, `row_id` or `event_time`."""
    subject: str
    """What it is, as the subject of a sentence."""
    values: NDArray[Any]
    """Numbers (n,), NaN where missing; or levels from 0 up."""
    names: tuple[str, ...] | None = None
    """The levels; None for numbers."""

    @property
    def constant(self) -> bool:
        """Whether all rows are alike in it."""
        known = self.values[~np.isnan(self.values)]
        return not len(known) or (len(known) == len(self.values) and bool(np.ptp(known) == 0))


def suspects(clean: pl.DataFrame) -> Iterator[Suspect]:
    """Which values are missing, then the values, of each column; and what the rows' order tells.

    Args:
        clean: n rows of the clean table.
    """
    for name in clean.columns:
        for role in (CATEGORY, NUMBER):
            if name.startswith(role):
                yield from _of_column(name.removeprefix(role), role, clean[name])
    yield from _of_time(clean)
    yield _gaps("text", (clean["text"].str.strip_chars() == "").to_numpy())
    order = np.arange(clean.height, dtype=np.float64)
    yield Suspect(ORDER, "order", "The order of the rows", order)
    yield from _of_ids(clean)


def _of_column(name: str, role: str, column: pl.Series) -> Iterator[Suspect]:
    if role == NUMBER:
        values = column.cast(pl.Float64).to_numpy()
        values = np.where(np.isfinite(values), values, np.nan)
        yield _gaps(name, np.isnan(values))
        yield Suspect(name, "number", f"The number '{quote(name)}'", values)
    else:
        yield _gaps(name, column.is_null().to_numpy())
        yield _levels(name, "category", f"The category '{quote(name)}'", column)


def _of_time(clean: pl.DataFrame) -> Iterator[Suspect]:
    name, times = "event_time", clean["event_time"]
    yield _gaps(name, times.is_null().to_numpy())
    whole = times.dt.epoch("s").cast(pl.Float64).fill_null(np.nan).to_numpy()
    yield Suspect(name, "event_time", "The event time", whole)
    yield Suspect(name, "event_time", "The time of day", np.mod(whole, 86_400))


def _of_ids(clean: pl.DataFrame) -> Iterator[Suspect]:
    ids = clean["row_id"]
    number = ids.str.extract(r"([0-9]{1,15})[^0-9]*$").cast(pl.Float64).fill_null(np.nan).to_numpy()
    yield Suspect("row_id", "row_id", "The number in the row's id", number)
    letters = ids.str.replace_all(r"[0-9]+", "")
    if letters.n_unique() <= MOST_PREFIXES:
        yield _levels("row_id", "row_id", "What stands beside the number in the row's id", letters)


def _gaps(name: str, missing: NDArray[np.bool_]) -> Suspect:
    subject = f"Whether '{quote(name)}' is empty"
    return Suspect(name, "missing", subject, missing.astype(np.int64), ("there", "empty"))


def _levels(name: str, kind: str, subject: str, column: pl.Series) -> Suspect:
    levels = sorted(column.drop_nulls().unique())
    codes = column.replace_strict(
        levels, range(len(levels)), default=len(levels), return_dtype=pl.Int64
    )
    return Suspect(name, kind, subject, codes.to_numpy(), (*levels, MISSING))
