"""Which rows judge the model, and how the others are dealt into folds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.mine.settings import ClassifySettings


@dataclass(frozen=True)
class Split:
    """Positions of the rows by their use, each in row order."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]
    unlabelled: NDArray[np.intp]
    said: str
    """How the test rows were chosen, as a sentence."""
    test_from: str | None
    """Event time of the earliest test row, ISO 8601, where times decided."""


def split_rows(clean: pl.DataFrame, settings: ClassifySettings, timezone: str = "UTC") -> Split:
    """Part the rows of a clean table into train, test and unlabelled.

    A day begins at midnight of `timezone`.
    """
    labelled = clean["label"].is_not_null().to_numpy()
    unlabelled, rows = np.flatnonzero(~labelled), np.flatnonzero(labelled)
    by_date = _since(clean, settings, timezone)[rows]
    if by_date.any() and not by_date.all():
        start = str(settings.test_from)
        said = f"The model is judged on the rows from {start} on and learnt from those before."
        return Split(rows[~by_date], rows[by_date], unlabelled, said, start)
    train, test = _newest(clean["event_time"], rows, settings.test_share)
    times = clean["event_time"].gather(test).drop_nulls()
    said = _said(len(by_date) > 0 and settings.test_from is not None, settings, len(times) > 0)
    start_time = times.min()
    first = start_time.isoformat() if isinstance(start_time, datetime) else None
    return Split(train, test, unlabelled, said, first)


def deal(codes: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold number for each row, the rows of every class dealt evenly and at random.

    As the classes are dealt one after the other, no class is too small for it, and a class of
    two rows or more is in the training part of every fold.
    """
    order = np.random.default_rng(seed).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[order] = np.arange(len(codes)) % folds
    return fold


def with_duplicates(fold: NDArray[np.int64], rows: pl.DataFrame) -> NDArray[np.int64]:
    """Move exact duplicates into the fold of their original, so that none is a peep at it."""
    place = {row_id: i for i, row_id in enumerate(rows["row_id"])}
    originals = [place.get(original, i) for i, original in enumerate(rows["duplicate_of"])]
    return fold[np.array(originals, dtype=np.intp)]


def _since(clean: pl.DataFrame, settings: ClassifySettings, timezone: str) -> NDArray[np.bool_]:
    if settings.test_from is None:
        return np.zeros(clean.height, dtype=bool)
    start = datetime.combine(settings.test_from, datetime.min.time(), ZoneInfo(timezone))
    later = clean.select((pl.col("event_time") >= start.astimezone(UTC)).fill_null(False))
    return later.to_series().to_numpy()


def _newest(
    times: pl.Series, rows: NDArray[np.intp], share: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    instants = times.gather(rows).to_physical().fill_null(np.iinfo(np.int64).min).to_numpy()
    order = rows[np.argsort(instants, kind="stable")]
    held = min(max(1, round(len(rows) * share)), len(rows))
    cut = len(rows) - held
    return np.sort(order[:cut]), np.sort(order[cut:])


def _said(asked: bool, settings: ClassifySettings, timed: bool) -> str:
    ordered = "newest" if timed else "last"
    said = f"The model is judged on the {ordered} {settings.test_share:.0%} of the labelled rows."
    why = f" test_from {settings.test_from} does not leave rows on both sides."
    return said + (why if asked else "")
