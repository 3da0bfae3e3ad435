"""Which rows judge the model and which teach it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from fusemine.tasks.stats.folds import bound_together, group_codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.settings import ClassifySettings


@dataclass(frozen=True)
class Split:
    """Positions of the rows by their use, each in row order."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]
    unlabelled: NDArray[np.intp]
    said: str
    """How the test rows were chosen, as a sentence."""
    test_from: str | None = None
    """Event time of the earliest test row, ISO 8601, where times decided."""
    unused: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    """Labelled rows that neither teach nor judge."""


def split_rows(clean: pl.DataFrame, settings: ClassifySettings, timezone: str = "UTC") -> Split:
    """Part the rows of a clean table into train, test, unlabelled and unused.

    A day begins at midnight of `timezone`.
    """
    labelled = clean["label"].is_not_null().to_numpy()
    unlabelled, rows = np.flatnonzero(~labelled), np.flatnonzero(labelled)
    if settings.split == "column":
        return _by_column(clean, rows, unlabelled)
    if settings.split == "random":
        return _at_random(clean, rows, unlabelled, settings)
    if settings.split == "group":
        return _by_group(clean, rows, unlabelled, settings)
    return _by_time(clean, rows, unlabelled, settings, timezone)


def _by_time(
    clean: pl.DataFrame,
    rows: NDArray[np.intp],
    unlabelled: NDArray[np.intp],
    settings: ClassifySettings,
    timezone: str,
) -> Split:
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


def _by_column(clean: pl.DataFrame, rows: NDArray[np.intp], unlabelled: NDArray[np.intp]) -> Split:
    said = clean["split"].gather(rows).to_numpy()
    train, test = rows[said == "train"], rows[said == "test"]
    unused = rows[(said != "train") & (said != "test")]
    told = "The model is judged on the rows that the table itself marks for it."
    if len(unused):
        told += f" {len(unused):,} labelled rows are marked for neither and stay unused."
    return Split(train, test, unlabelled, told, unused=unused)


def _at_random(
    clean: pl.DataFrame,
    rows: NDArray[np.intp],
    unlabelled: NDArray[np.intp],
    settings: ClassifySettings,
) -> Split:
    """Copies go with their original, so that the test rows hold no copy of a training row."""
    own = clean.select(pl.col("duplicate_of").fill_null(pl.col("row_id"))).to_series()
    test = _drawn(group_codes(own.gather(rows))[0], settings)
    said = (
        f"The model is judged on {settings.test_share:.0%} of the labelled rows, drawn at random."
    )
    return Split(rows[~test], rows[test], unlabelled, said)


def _by_group(
    clean: pl.DataFrame,
    rows: NDArray[np.intp],
    unlabelled: NDArray[np.intp],
    settings: ClassifySettings,
) -> Split:
    groups = bound_together(clean[rows])
    test = _drawn(groups, settings)
    judged, all_groups = len(np.unique(groups[test])), len(np.unique(groups))
    said = (
        f"The model is judged on the rows of {judged:,} of {all_groups:,} groups, drawn at random; "
        "it has seen no row of these, nor a copy of one."
    )
    return Split(rows[~test], rows[test], unlabelled, said)


def _drawn(codes: NDArray[np.int64], settings: ClassifySettings) -> NDArray[np.bool_]:
    """Whole groups at random until the share of the rows is reached, one at least on each side.

    Args:
        codes: Number of each row's group (n,), from 0 without gaps.
        settings: Share and seed.
    """
    sizes = np.bincount(codes)
    order = np.random.default_rng(settings.seed).permutation(len(sizes))
    reached = np.cumsum(sizes[order])
    wanted = settings.test_share * len(codes)
    count = int(np.searchsorted(reached, wanted)) + 1
    chosen = order[: max(1, min(count, len(order) - 1))]
    return np.isin(codes, chosen)


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
