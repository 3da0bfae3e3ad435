"""The split of the rows into those that the model learns from and those that test it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from fusemine.tasks.stats.sampling import group_codes, linked_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.classify.settings import ClassifySettings


@dataclass(frozen=True)
class Split:
    """Positions of the rows by their use, each in row order."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]
    unlabelled: NDArray[np.intp]
    description: str
    """How the test rows were chosen, as a sentence."""
    test_from: str | None = None
    """Event time of the earliest test row, ISO 8601, where times decided."""
    unused: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    """Labelled rows that are neither training nor test rows."""


@dataclass(frozen=True)
class _TestRows:
    """Which of n labelled rows test the model, and which train it: by default all others."""

    test: NDArray[np.bool_]
    description: str
    test_from: str | None = None
    train: NDArray[np.bool_] | None = None


def split_rows(clean: pl.DataFrame, settings: ClassifySettings, timezone: str = "UTC") -> Split:
    """Split the rows of a clean table into train, test, unlabelled and unused.

    Args:
        clean: The clean table, n rows.
        settings: How test rows are chosen.
        timezone: Where the day that `settings.test_from` names begins at midnight.
    """
    labelled = clean["label"].is_not_null().to_numpy()
    rows = clean.filter(labelled)
    if settings.split == "time":
        found = _by_time(rows, settings, timezone)
    else:
        choose = {"column": _by_column, "random": _at_random, "group": _by_group}[settings.split]
        found = choose(rows, settings)
    train = ~found.test if found.train is None else found.train
    positions = np.flatnonzero(labelled)
    return Split(
        train=positions[train],
        test=positions[found.test],
        unlabelled=np.flatnonzero(~labelled),
        description=found.description,
        test_from=found.test_from,
        unused=positions[~train & ~found.test],
    )


def _by_time(rows: pl.DataFrame, settings: ClassifySettings, timezone: str) -> _TestRows:
    times = rows["event_time"]
    if settings.test_from is not None:
        start = datetime.combine(settings.test_from, datetime.min.time(), ZoneInfo(timezone))
        later = (times >= start.astimezone(UTC)).fill_null(value=False).to_numpy()
        if later.any() and not later.all():
            day = str(settings.test_from)
            text = f"The model is evaluated on the rows from {day} on and trained on those before."
            return _TestRows(later, text, day)
    # Rows without a time count as the oldest.
    instants = times.to_physical().fill_null(np.iinfo(np.int64).min).to_numpy()
    count = min(max(1, round(rows.height * settings.test_share)), rows.height)
    test = np.zeros(rows.height, dtype=bool)
    test[np.argsort(instants, kind="stable")[rows.height - count :]] = True
    first = times.filter(test).min()
    order = "last" if first is None else "newest"
    text = f"The model is evaluated on the {order} {settings.test_share:.0%} of the labelled rows."
    if settings.test_from is not None and rows.height:
        text += f" test_from {settings.test_from} does not leave rows on both sides."
    return _TestRows(test, text, first.isoformat() if isinstance(first, datetime) else None)


def _by_column(rows: pl.DataFrame, _: ClassifySettings) -> _TestRows:
    use = rows["split"].to_numpy()
    train, test = use == "train", use == "test"
    unused = int((~train & ~test).sum())
    text = "The model is evaluated on the rows that the table itself marks for it."
    if unused:
        text += f" {unused:,} labelled rows are marked for neither and stay unused."
    return _TestRows(test, text, train=train)


def _at_random(rows: pl.DataFrame, settings: ClassifySettings) -> _TestRows:
    """Copies go with their original, so that the test rows hold no copy of a training row."""
    own = rows.select(pl.col("duplicate_of").fill_null(pl.col("row_id"))).to_series()
    share = f"{settings.test_share:.0%}"
    text = f"The model is evaluated on {share} of the labelled rows, drawn at random."
    return _TestRows(_draw_groups(group_codes(own)[0], settings), text)


def _by_group(rows: pl.DataFrame, settings: ClassifySettings) -> _TestRows:
    groups = linked_rows(rows)
    test = _draw_groups(groups, settings)
    tested, all_groups = len(np.unique(groups[test])), len(np.unique(groups))
    return _TestRows(
        test,
        f"The model is evaluated on the rows of {tested:,} of {all_groups:,} groups, drawn at "
        "random; it has seen no row of these, nor a copy of one.",
    )


def _draw_groups(codes: NDArray[np.int64], settings: ClassifySettings) -> NDArray[np.bool_]:
    """Whole groups at random until the share of the rows is reached, one at least on each side.

    Args:
        codes: Number of each row's group (n,), from 0 without gaps.
        settings: Share and seed.
    """
    # Groups are drawn in random order until their rows reach the share.
    sizes = np.bincount(codes)
    order = np.random.default_rng(settings.seed).permutation(len(sizes))
    reached = np.cumsum(sizes[order])
    wanted = settings.test_share * len(codes)
    count = int(np.searchsorted(reached, wanted)) + 1
    chosen = order[: max(1, min(count, len(order) - 1))]
    return np.isin(codes, chosen)
