"""The rows that are least like the others, with the reason for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.report.facts import method, why_not
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
    joined = head.join(rows.drop("rank", "flagged"), on="row_id", how="left").sort("rank")
    cards = [_card(row) for row in joined.iter_rows(named=True)]
    flagged = int(scores["flagged"].sum())
    return Anomalies(
        lead=_lead(flagged, scores.height),
        shown=cards[: settings.anomalies],
        folded=cards[settings.anomalies :],
        flagged=flagged,
        ranked=scores.height,
        method=method(inputs.anomaly),
    )


def _lead(flagged: int, ranked: int) -> str:
    if not flagged:
        return f"None of {plural(ranked, 'row')} stands out; the least like the others come first."
    share = percent(flagged / ranked)
    return f"{count(flagged)} of {plural(ranked, 'row')} ({share}) are flagged as unusual."


def _card(row: Mapping[str, Any]) -> Anomaly:
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
        text_score=finite(row["text_score"]),
        table_score=finite(row["table_score"]),
    )
