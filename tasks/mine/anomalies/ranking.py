"""Rows that are unlike the others: by their text, their other columns, both together, in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.mine.anomalies.contracts import ANOMALIES
from fusemine.tasks.mine.anomalies.flagging import RARE, by_p_value, flag_and_explain
from fusemine.tasks.mine.anomalies.score_views import (
    STEPS,
    ScoredWindow,
    score_columns,
    score_views,
)
from fusemine.tasks.mine.anomalies.views.view import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.mine.anomalies.score_views import Progress
    from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
    from fusemine.tasks.mine.anomalies.views.view import Flags, Vectors

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
        rows: One row for each row of the clean table, in its order, as `contracts.ANOMALIES`
            declares. `text_score` and its like are the shares of the known rows that are less
            unusual in that view, null where the row is not in it. `p_value` is how probable so
            unusual a row is by chance, all views together, and `score` is 1 less it. Ranks go from
            1, the flagged rows first and then those with a reason, so a repeat of one comes after
            all of them.
        repeats: Groups of rows with nearly the same text, as `contracts.REPEATS` declares.
        bursts: Groups that grew in a partition, as `contracts.BURSTS` declares.
        summary: What was done, ready for JSON.
    """

    rows: pl.DataFrame
    repeats: pl.DataFrame
    bursts: pl.DataFrame
    summary: dict[str, Any]


def find_anomalies(
    clean: pl.DataFrame,
    vectors: Vectors,
    table: Vectors,
    table_names: Sequence[str],
    settings: AnomaliesSettings,
    new: Flags | None = None,
    progress: Progress = lambda *_: None,
) -> Anomalies:
    """Rank the rows of a clean table by how unusual they are and give reasons for the first.

    Each view (`text_view`, `table_view`, `match_texts`, `find_bursts`) gives a row a p-value
    against what history holds; `combine_p_values` makes them one. Rows are flagged so that about
    `settings.false_alarms` of them are expected to be usual ones, if the tails are as assumed
    (`FittedTail`). Nothing is learned from new rows, nor do they change what is found of the
    others; but the features of the table may have been fitted on all rows.
    `detectors.fit_detectors` keeps what was learned, for further rows.

    Args:
        clean: The clean table of n rows, oldest partition first.
        vectors: (n, d) unit vectors in the same order, zero where a row has no text.
        table: (n, c) numbers and categories as features, c may be 0; what is not finite counts 0.
        table_names: Their c names, `<block>.<column>` or `<block>.<column> = <level>`.
        settings: How many rows are flagged.
        new: (n,) the rows to compare with the others; all rows are compared with all where it is
            None or leaves fewer than `score_views.HISTORY`.
        progress: Called with the steps done and the steps there are.
    """
    newest = np.zeros(clean.height, bool) if new is None else new
    window = score_views(Table.of(clean, table, table_names), vectors, new, progress)
    reasons, flagged = flag_and_explain(window, newest, settings) if window.used else ({}, 0)
    ranked = _ranked(window, newest, reasons, flagged)
    if window.used:
        progress(STEPS, STEPS)
    summary = _summary(window, ranked, settings)
    return Anomalies(ranked, window.repeats.groups, window.bursts.found, summary)


def _ranked(
    window: ScoredWindow, newest: Flags, reasons: dict[int, str], first: int
) -> pl.DataFrame:
    """The rows by the contract `anomalies`; the first of those with a reason are flagged."""
    p_values, ids, rows = window.p_values, window.table.clean["row_id"], len(newest)
    flagged, shown = np.zeros(rows, bool), np.zeros(rows, bool)
    flagged[list(reasons)[:first]] = True
    shown[list(reasons)] = True
    sides = (flagged, shown & ~flagged, ~shown)
    ranks = np.empty(rows, np.int64)
    ranks[np.concatenate([by_p_value(p_values, side) for side in sides])] = np.arange(rows) + 1
    columns: dict[str, Any] = {
        "row_id": ids,
        "rank": ranks,
        **score_columns(p_values, window.findings.shares),
        "new": newest,
        "flagged": flagged,
        "group": [its if its >= 0 else None for its in window.repeats.of_row.tolist()],
        "reason": [reasons.get(row) for row in range(rows)],
        "near": [ids[window.near(i)].to_list() if i in reasons else None for i in range(rows)],
    }
    return pl.DataFrame(columns, pl.DataFrame(ANOMALIES.empty()).schema)


def _summary(
    window: ScoredWindow, rows: pl.DataFrame, settings: AnomaliesSettings
) -> dict[str, Any]:
    flagged, history = int(rows["flagged"].sum()), int(window.known.sum())
    counts = {
        "rows": rows.height,
        "new_rows": int(rows["new"].sum()),
        "new_flagged": int((rows["new"] & rows["flagged"]).sum()),
    }
    if not window.used:
        notes = "; ".join(window.views[name].note for name in ("text", "table"))
        reason = "nothing tells the rows apart" if rows.height else "there are no rows"
        return {"skipped": f"{reason}: {notes}", "views": {}, "flagged": flagged, **counts}
    return {
        "skipped": None,
        "views": {name: view.note for name, view in window.views.items()},
        "method": "; ".join(f"{name}: {_METHODS[name]}" for name in window.used)
        + "; p-values joined by their harmonic mean",
        "only_view": window.used[0] if len(window.used) == 1 else None,
        "flagged": flagged,
        "threshold": _threshold(settings),
        "against_history": history if history < rows.height else None,
        "groups": window.repeats.groups.height,
        "bursts": window.bursts.found.height,
        **counts,
    }


def _threshold(settings: AnomaliesSettings) -> dict[str, Any]:
    """By which rule rows are flagged, and what share of them is expected to be chance."""
    if settings.contamination is not None:
        return {"rule": f"{settings.contamination:.2%} of the rows", "expected_false_share": None}
    if settings.top is not None:
        return {"rule": f"the {settings.top:,} most unusual rows", "expected_false_share": None}
    rare = f"at least as rare as 1 in {1 / RARE:,.0f}"
    rule = f"rows {rare} whose p-values stand out (Benjamini-Hochberg)"
    return {"rule": rule, "expected_false_share": settings.false_alarms}
