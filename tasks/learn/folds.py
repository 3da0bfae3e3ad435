"""Which rows judge the model, and how the others are dealt into folds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.fuse.target import Target
    from tasks.learn.settings import ClassifySettings


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
    test = _drawn(own.gather(rows), settings)
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
    groups = _groups(clean).gather(rows)
    test = _drawn(groups, settings)
    judged, all_groups = groups.filter(pl.Series(test)).n_unique(), groups.n_unique()
    said = (
        f"The model is judged on the rows of {judged:,} of {all_groups:,} groups, drawn at random; "
        "it has seen no row of these."
    )
    return Split(rows[~test], rows[test], unlabelled, said)


def _drawn(groups: pl.Series, settings: ClassifySettings) -> NDArray[np.bool_]:
    """Whole groups at random until the share of the rows is reached, one at least on each side."""
    codes, sizes = _codes(groups)
    order = np.random.default_rng(settings.seed).permutation(len(sizes))
    reached = np.cumsum(sizes[order])
    wanted = settings.test_share * len(groups)
    count = int(np.searchsorted(reached, wanted)) + 1
    chosen = order[: max(1, min(count, len(order) - 1))]
    return np.isin(codes, chosen)


def _groups(clean: pl.DataFrame) -> pl.Series:
    """The group of each row; a row without one is a group of its own."""
    alone = pl.concat_str(pl.lit("row "), pl.col("row_id"))
    named = pl.concat_str(pl.lit("group "), pl.col("group"))
    return clean.select(pl.coalesce(named, alone)).to_series()


def _codes(groups: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number of each row's group, in the order of their first rows, and the groups' sizes."""
    named = groups.unique(maintain_order=True)
    codes = groups.replace_strict(named, range(len(named)), return_dtype=pl.Int64).to_numpy()
    return codes, np.bincount(codes, minlength=len(named))


def strata(target: Target) -> NDArray[np.int64]:
    """What rows are dealt evenly by (n,): their class, or the fifth of the numbers they are in."""
    if not target.is_number:
        return np.asarray(target.values)
    edges = np.quantile(target.values, [0.2, 0.4, 0.6, 0.8]) if len(target) else np.zeros(0)
    return np.searchsorted(edges, target.values)


def folds_of(target: Target, rows: pl.DataFrame, settings: ClassifySettings) -> NDArray[np.int64]:
    """The fold of each training row (n,): no fold parts a group, or a row from its copies."""
    if "group" not in rows.columns:
        return with_duplicates(deal(strata(target), settings.folds, settings.seed), rows)
    return _deal_groups(_bound_together(rows), settings)


def _bound_together(rows: pl.DataFrame) -> NDArray[np.int64]:
    """A number for each row (n,), the same for rows that a group or a chain of copies joins."""
    from scipy.sparse import coo_matrix, csgraph

    count, places = len(rows), np.arange(len(rows))
    groups, sizes = _codes(_groups(rows))
    edges = np.concatenate([count + groups, _originals(rows)])
    width = count + len(sizes)
    graph = coo_matrix((np.ones(2 * count), (np.tile(places, 2), edges)), shape=(width, width))
    _, parts = csgraph.connected_components(graph, directed=False)
    return np.asarray(parts[:count], dtype=np.int64)


def _originals(rows: pl.DataFrame) -> NDArray[np.intp]:
    """The place of the row that each row is a copy of (n,); its own where that is not here."""
    place = {row_id: i for i, row_id in enumerate(rows["row_id"])}
    found = [place.get(original, i) for i, original in enumerate(rows["duplicate_of"])]
    return np.array(found, dtype=np.intp)


def _deal_groups(groups: NDArray[np.int64], settings: ClassifySettings) -> NDArray[np.int64]:
    """Groups dealt to folds, the largest first, each to the fold of fewest rows."""
    sizes = np.bincount(groups)
    order = np.random.default_rng(settings.seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled, fold = np.zeros(settings.folds), np.zeros(len(sizes), dtype=np.int64)
    for group in order:
        fold[group] = int(filled.argmin())
        filled[fold[group]] += sizes[group]
    return fold[groups]


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
    return fold[_originals(rows)]


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
