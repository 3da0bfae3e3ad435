"""Rows that are unlike the others, by their text and by their other columns."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tasks.anomalies.reasons import explain, figure
from tasks.anomalies.unlike import TABLE_SHRINKAGE, TEXT_SHRINKAGE, Shape, fuse_ranks, rank_shares
from tasks.anomalies.usual import usual
from tasks.contracts import NUMBER
from tasks.quoting import percent, quote
from tasks.texts.distinct import distinct_texts
from tasks.texts.words import essence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tasks.anomalies.settings import AnomalySettings
    from tasks.texts.distinct import Texts

FEW = 10
"""Of fewer rows than this none is flagged: there is nothing yet that is usual."""
MOST = 10_000
"""Rows that are flagged at most: each gets a reason of its own."""
SCANNED = 20
"""Rows that are looked at for each one to be flagged, before repeats end the search."""
_STEPS = 4
_COLUMNS: dict[str, Any] = {
    "row_id": pl.String,
    "rank": pl.Int64,
    "score": pl.Float64,
    "text_score": pl.Float64,
    "table_score": pl.Float64,
    "flagged": pl.Boolean,
    "reason": pl.String,
}


@dataclass(frozen=True)
class Anomalies:
    """Every row with its rank, the flagged ones with their reason.

    Attributes:
        rows: One row per row of the clean table, in its order, as `contracts.ANOMALIES` says.
            `text_score` and `table_score` are the shares of the rows that are less unusual in
            that view, null where the row has none; `score` is both together, from 0 to 1. Ranks
            go from 1, the flagged rows first, so a repeat of one comes after all of them.
        summary: What was done, ready for JSON.
    """

    rows: pl.DataFrame
    summary: dict[str, Any]


@dataclass(frozen=True)
class _View:
    """One way to look at the rows: (n,) shares that are less unusual, NaN for none."""

    shares: NDArray[np.float64]
    note: str
    shape: Shape | None = None


def anomaly(
    clean: pl.DataFrame,
    vectors: NDArray[np.float32],
    table: NDArray[np.float32],
    table_names: Sequence[str],
    settings: AnomalySettings,
    progress: Callable[[int, int], None] | None = None,
) -> Anomalies:
    """Rank the rows of a clean table by how unusual they are and give reasons for the first.

    Text and table are each ranked by their Mahalanobis distance with a shrunken covariance,
    which finds values that are far out and values that do not go together; of the latter an
    isolation forest on the same features finds no more than chance would. The ranks are fused
    by Fisher's method. Of rows with nearly the same text and the same reason one is flagged.

    Args:
        clean: The clean table of n rows.
        vectors: (n, d) unit vectors in the same order, zero where a row has no text.
        table: (n, c) numbers and categories as features, c may be 0.
        table_names: Their c names, `<block>.<column>` or `<block>.<column> = <level>`.
        settings: How many rows are flagged.
        progress: Called with the steps done and the steps there are.
    """
    tell = progress or _silent
    texts = distinct_texts(clean, vectors)
    views = {"text": _text_view(texts)}
    tell(1, _STEPS)
    views["table"] = _table_view(table)
    tell(2, _STEPS)
    used = {name: view for name, view in views.items() if view.shape is not None}
    if not used:
        reason = "there are no rows" if not clean.height else "nothing tells the rows apart"
        return _skipped(clean, f"{reason}: {views['text'].note}; {views['table'].note}")
    scores = fuse_ranks([view.shares for view in used.values()])
    order = np.lexsort((np.arange(len(scores)), -scores))
    reasons = _Reasons(clean, views, table, table_names)
    flagged = _flag(reasons, order[scores[order] > 0], _to_flag(clean.height, settings))
    tell(3, _STEPS)
    rows = _rows(clean, views, scores, order, flagged)
    tell(_STEPS, _STEPS)
    return Anomalies(rows, _summary(clean, views, used, flagged))


def _silent(done: int, total: int) -> None: ...


def _text_view(texts: Texts) -> _View:
    """The texts' distances; each distinct text shapes the cloud once, however common it is."""
    rows = len(texts.of_row)
    shape = Shape.of(texts.vectors, TEXT_SHRINKAGE)
    if shape is None:
        return _View(np.full(rows, np.nan), "no two texts differ" if len(texts) else "no texts")
    distances = np.full(rows, np.nan)
    has_text = texts.of_row >= 0
    distances[has_text] = shape.distances(texts.vectors)[texts.of_row[has_text]]
    # A text of seven rows is seven times as usual as its place says: `NONE` is far from all
    # narratives, but it is nothing to look into.
    tails = (1 - rank_shares(distances)) * _alike(texts)
    return _View(np.maximum(1 - tails, 0), "used", shape)


def _alike(texts: Texts) -> NDArray[np.int64]:
    """For each row the number of rows with nearly its text, 1 for a row without text."""
    counts: Counter[str] = Counter()
    cores = [essence(text) for text in texts.texts]
    for core, rows in zip(cores, texts.rows.tolist(), strict=True):
        counts[core] += rows
    alike = np.array([*(counts[core] for core in cores), 1], np.int64)
    return alike[texts.of_row]


def _table_view(table: NDArray[np.float32]) -> _View:
    shape = Shape.of(table, TABLE_SHRINKAGE)
    if shape is None:
        note = "no numbers and categories" if not table.shape[1] else "no column varies"
        return _View(np.full(len(table), np.nan), note)
    return _View(rank_shares(shape.distances(table)), "used", shape)


def _to_flag(rows: int, settings: AnomalySettings) -> int:
    if rows < FEW:
        return 0
    if settings.contamination is not None:
        return min(MOST, math.ceil(settings.contamination * rows))
    return min(settings.top, rows // 10)


@dataclass(frozen=True)
class _Reasons:
    """What reasons are made from."""

    clean: pl.DataFrame
    views: dict[str, _View]
    table: NDArray[np.float32]
    names: Sequence[str]


def _flag(reasons: _Reasons, order: NDArray[np.int64], count: int) -> dict[int, str]:
    """The rows to flag with their reasons, most unusual first; repeats are counted, not flagged."""
    background = usual(reasons.clean)
    texts, scores = reasons.clean["text"], reasons.views["text"].shares
    found: dict[tuple[str, str], list[int]] = {}
    for row in order[: count * SCANNED].tolist():
        text_score = None if np.isnan(scores[row]) else float(scores[row])
        reason = explain(background, row, text_score) or _as_a_whole(reasons, row)
        found.setdefault((essence(texts[row]), reason), []).append(row)
        if len(found) == count:
            break
    return {rows[0]: _repeated(reason, len(rows) - 1) for (_, reason), rows in found.items()}


def _as_a_whole(reasons: _Reasons, row: int) -> str:
    """A reason for a row none of whose values is rare: the text, or how its features meet."""
    text, table = (reasons.views[name].shares[row] for name in ("text", "table"))
    shape = reasons.views["table"].shape
    if shape is None or text > table:
        return f"No value is rare; the text as a whole is unlike {percent(text)} of the others."
    named = shape.features(reasons.table[row], reasons.names)
    names = [name.partition(".")[2] or name for name in named]
    features = ", ".join(_valued(reasons.clean, row, name) for name in names)
    return f"No value is rare; unusual is how these go together: {features}."


def _valued(clean: pl.DataFrame, row: int, feature: str) -> str:
    """A feature's name, with the row's number where it is a column of numbers."""
    value = clean[NUMBER + feature][row] if NUMBER + feature in clean.columns else None
    return quote(feature) if value is None else f"{quote(feature)} {figure(value)}"


def _repeated(reason: str, more: int) -> str:
    if not more:
        return reason
    rows = "1 more row is" if more == 1 else f"{more:,} more rows are"
    return f"{reason[:-1]} ({rows} like it)."


def _rows(
    clean: pl.DataFrame,
    views: dict[str, _View],
    scores: NDArray[np.float64],
    order: NDArray[np.int64],
    flagged: dict[int, str],
) -> pl.DataFrame:
    marked = np.zeros(clean.height, bool)
    marked[list(flagged)] = True
    ranks = np.empty(clean.height, np.int64)
    ranks[np.concatenate([order[marked[order]], order[~marked[order]]])] = np.arange(len(order)) + 1
    columns = {
        "row_id": clean["row_id"],
        "rank": ranks,
        "score": scores,
        "text_score": views["text"].shares,
        "table_score": views["table"].shares,
        "flagged": marked,
        "reason": [flagged.get(row) for row in range(clean.height)],
    }
    frame = pl.DataFrame(columns, _COLUMNS)
    return frame.with_columns(pl.col("text_score", "table_score").fill_nan(None))


def _skipped(clean: pl.DataFrame, reason: str) -> Anomalies:
    columns: dict[str, Any] = dict.fromkeys(_COLUMNS)
    columns |= {
        "row_id": clean["row_id"],
        "rank": np.arange(clean.height) + 1,
        "score": np.zeros(clean.height),
        "flagged": np.zeros(clean.height, bool),
    }
    rows = pl.DataFrame(columns, _COLUMNS)
    return Anomalies(rows, {"skipped": reason, "views": {}, "flagged": 0, "rows": clean.height})


def _summary(
    clean: pl.DataFrame,
    views: dict[str, _View],
    used: dict[str, _View],
    flagged: dict[int, str],
) -> dict[str, Any]:
    single = next(iter(used)) if len(used) == 1 else None
    return {
        "skipped": None,
        "views": {name: view.note for name, view in views.items()},
        "method": (
            f"Mahalanobis distance, covariance shrunk by {TEXT_SHRINKAGE:.0%} (text) and "
            f"{TABLE_SHRINKAGE:.0%} (table), ranks fused by Fisher's method"
        ),
        "only_view": single,
        "flagged": len(flagged),
        "rows": clean.height,
    }
