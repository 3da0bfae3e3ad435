"""The rows that are least like the others, with the reason for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.report.facts import why_not
from tasks.report.model import Anomalies, Anomaly, Quote, ReportInputs, Skipped
from tasks.report.words import count, cut, finite, percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from tasks.report.settings import ReportSettings

FOLDED = 30


def anomalies(
    inputs: ReportInputs, rows: pl.DataFrame, settings: ReportSettings
) -> Anomalies | Skipped:
    """The highest ranked rows as cards; the full list is in the artifact."""
    reason = why_not("Anomaly detection", inputs.anomaly, inputs.anomalies)
    if reason or inputs.anomalies is None:
        return Skipped(reason)
    scores = inputs.anomalies
    head = scores.sort("rank").head(settings.anomalies + FOLDED)
    highest = {view: finite(scores[view].max()) or 1.0 for view in ("text_score", "table_score")}
    joined = head.join(rows.drop("rank", "flagged"), on="row_id", how="left").sort("rank")
    cards = [_card(row, highest) for row in joined.iter_rows(named=True)]
    flagged = int(scores["flagged"].sum())
    return Anomalies(
        lead=_lead(flagged, scores.height),
        shown=cards[: settings.anomalies],
        folded=cards[settings.anomalies :],
        flagged=flagged,
        ranked=scores.height,
    )


def _lead(flagged: int, ranked: int) -> str:
    if not flagged:
        return f"None of {plural(ranked, 'row')} stands out; the least like the others come first."
    share = percent(flagged / ranked)
    return f"{count(flagged)} of {plural(ranked, 'row')} ({share}) are flagged as unusual."


def _card(row: Mapping[str, Any], highest: Mapping[str, float]) -> Anomaly:
    text, table = finite(row["text_score"]), finite(row["table_score"])
    return Anomaly(
        rank=int(row["rank"]),
        score=float(row["score"]),
        quote=Quote(
            row_id=cut(row["row_id"], 60),
            partition=cut(row["partition"] or "", 40),
            text=cut(row["text"] or "", 400),
            label=cut(row["label"] or "", 60),
            topic=cut(row["topic_name"] or "", 80),
        ),
        reason=cut(row["reason"] or "", 400),
        text_score=text,
        table_score=table,
        text_share=_share(text, highest["text_score"]),
        table_share=_share(table, highest["table_score"]),
    )


def _share(score: float | None, highest: float) -> float:
    return min(1.0, max(0.0, (score or 0.0) / highest)) if highest > 0 else 0.0
