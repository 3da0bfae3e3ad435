"""Rows that are unlike the others: by their text, their other columns, both together, in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.mine.anomalies.flagging import RARE, Grounds, Told, in_order, tell_of
from fusemine.tasks.mine.anomalies.score_views import STEPS, known_rows, look, together
from fusemine.tasks.mine.anomalies.views.view import VIEWS, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
    from fusemine.tasks.mine.anomalies.views.view import View

_COLUMNS: dict[str, Any] = {
    "row_id": pl.String,
    "rank": pl.Int64,
    "score": pl.Float64,
    "p_value": pl.Float64,
    **{f"{name}_score": pl.Float64 for name in VIEWS},
    "new": pl.Boolean,
    "flagged": pl.Boolean,
    "group": pl.Int64,
    "reason": pl.String,
    "near": pl.List(pl.String),
}
_METHODS = {
    "text": "Mahalanobis distance from the core and nearest usual texts",
    "table": "nearest rows and isolation forest",
    "match": "ridge regression of the table on the text, against shuffled texts",
    "time": "counts against the earlier partitions (negative binomial)",
}


@dataclass(frozen=True)
class Anomalies:
    """Every row with its rank, the flagged ones and the next unusual ones with their reason.

    Attributes:
        rows: One row per row of the clean table, in its order, as `contracts.ANOMALIES` says.
            `text_score` and its like are the shares of the known rows that are less unusual in
            that view, null where the row is not in it. `p_value` is how probable so unusual a row
            is by chance, all views together, and `score` is 1 less it. Ranks go from 1, the
            flagged rows first and then those with a reason, so a repeat of one comes after all of
            them.
        repeats: Groups of rows that say the same, as `contracts.REPEATS` says.
        bursts: Groups that swelled in a partition, as `contracts.BURSTS` says.
        summary: What was done, ready for JSON.
    """

    rows: pl.DataFrame
    repeats: pl.DataFrame
    bursts: pl.DataFrame
    summary: dict[str, Any]


def anomalies(
    clean: pl.DataFrame,
    vectors: NDArray[np.float32],
    table: NDArray[np.float32],
    table_names: Sequence[str],
    settings: AnomaliesSettings,
    new: NDArray[np.bool_] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Anomalies:
    """Rank the rows of a clean table by how unusual they are and give reasons for the first.

    Each view (`text_view`, `table_view`, `match`, `find_bursts`) gives a row a p-value against
    what history holds; `joined` makes them one. Rows are flagged so that about
    `settings.false_alarms` of them are expected to be usual ones, if the tails are as assumed
    (`p_values`). New rows neither teach nor change what is found of the others; but the features
    of the table may have been fitted on all rows. `detectors.fit_detectors` keeps what they are
    judged by, for further rows.

    Args:
        clean: The clean table of n rows, oldest partition first.
        vectors: (n, d) unit vectors in the same order, zero where a row has no text.
        table: (n, c) numbers and categories as features, c may be 0; what is not finite counts 0.
        table_names: Their c names, `<block>.<column>` or `<block>.<column> = <level>`.
        settings: How many rows are flagged.
        new: (n,) the rows to hold against the others; all rows are held against all where it is
            None or leaves fewer than `looking.HISTORY`.
        progress: Called with the steps done and the steps there are.
    """
    tell = progress or _silent
    fresh = np.zeros(clean.height, bool) if new is None else new
    known = known_rows(clean.height, new)
    found = look(Table.of(clean, table, table_names), vectors, known, tell)
    grounds, used = found.grounds, found.used
    if not used:
        notes = "; ".join(grounds.views[name].note for name in ("text", "table"))
        reason = "there are no rows" if not clean.height else "nothing tells the rows apart"
        return _skipped(grounds, fresh, f"{reason}: {notes}")
    tails = together(grounds.views, clean.height)
    told = tell_of(grounds, tails, fresh, settings)
    tell(STEPS, STEPS)
    rows = _rows(grounds, fresh, tails, told)
    summary = _summary(grounds, used, rows, settings)
    return Anomalies(rows, grounds.repeats.groups, grounds.bursts.found, summary)


def _silent(done: int, total: int) -> None: ...


def _rows(
    grounds: Grounds,
    fresh: NDArray[np.bool_],
    tails: NDArray[np.float64],
    told: Told,
) -> pl.DataFrame:
    clean = grounds.table.clean
    marked, shown = np.zeros(clean.height, bool), np.zeros(clean.height, bool)
    marked[list(told.reasons)[: told.flagged]] = True
    shown[list(told.reasons)] = True
    ranks = np.empty(clean.height, np.int64)
    ranks[np.concatenate([in_order(tails, rows) for rows in (marked, shown & ~marked, ~shown)])] = (
        np.arange(clean.height) + 1
    )
    ids = clean["row_id"]
    columns: dict[str, Any] = {
        "row_id": ids,
        "rank": ranks,
        "score": 1 - tails,
        "p_value": tails,
        **{f"{name}_score": shares for name, shares in grounds.shares.items()},
        "new": fresh,
        "flagged": marked,
        "group": grounds.repeats.of_row,
        "reason": [told.reasons.get(row) for row in range(clean.height)],
        "near": [_named(ids, told.near.get(row)) for row in range(clean.height)],
    }
    frame = pl.DataFrame(columns, _COLUMNS)
    group = pl.when(pl.col("group") >= 0).then(pl.col("group")).alias("group")
    return frame.with_columns(pl.col("^.*_score$").fill_nan(None), group)


def _named(ids: pl.Series, near: list[int] | None) -> list[str] | None:
    return None if near is None else [str(ids[row]) for row in near]


def _skipped(grounds: Grounds, fresh: NDArray[np.bool_], reason: str) -> Anomalies:
    tails = np.ones(len(fresh))
    rows = _rows(grounds, fresh, tails, Told({}, {}))
    summary = {
        "skipped": reason,
        "views": {},
        "flagged": 0,
        "rows": len(fresh),
        "new_rows": int(fresh.sum()),
        "new_flagged": 0,
    }
    return Anomalies(rows, grounds.repeats.groups, grounds.bursts.found, summary)


def _summary(
    grounds: Grounds, used: dict[str, View], rows: pl.DataFrame, settings: AnomaliesSettings
) -> dict[str, Any]:
    history = int(grounds.known.sum())
    return {
        "skipped": None,
        "views": {name: view.note for name, view in grounds.views.items()},
        "method": "; ".join(f"{name}: {_METHODS[name]}" for name in used)
        + "; p-values joined by their harmonic mean",
        "only_view": next(iter(used)) if len(used) == 1 else None,
        "flagged": int(rows["flagged"].sum()),
        "threshold": _threshold(settings),
        "against_history": history if history < len(grounds.known) else None,
        "groups": grounds.repeats.groups.height,
        "bursts": grounds.bursts.found.height,
        "rows": rows.height,
        "new_rows": int(rows["new"].sum()),
        "new_flagged": int((rows["new"] & rows["flagged"]).sum()),
    }


def _threshold(settings: AnomaliesSettings) -> dict[str, Any]:
    """How it was decided which rows are flagged, and what share of them chance would bring."""
    if settings.contamination is not None:
        return {"rule": f"{settings.contamination:.2%} of the rows", "expected_false_share": None}
    if settings.top is not None:
        return {"rule": f"the {settings.top:,} most unusual rows", "expected_false_share": None}
    rare = f"at least as rare as 1 in {1 / RARE:,.0f}"
    rule = f"rows {rare} whose p-values stand out (Benjamini-Hochberg)"
    return {"rule": rule, "expected_false_share": settings.false_alarms}
