"""The topics: what the texts speak of, how often, and with which label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tasks.report.facts import (
    classes,
    colour,
    is_number,
    mean,
    method,
    positive,
    ranked,
    rate_name,
    why_not,
)
from tasks.report.model import ReportInputs, Skipped, Topic, Topics
from tasks.report.timeline import Timeline, timeline
from tasks.report.words import amount, cut, percent, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tasks.report.settings import ReportSettings

FOLDED, STRETCHES, ENOUGH = 48, 30, 30
"""Topics that unfold, points of a sparkline, and rows below which a rate is not singled out."""


def topics(inputs: ReportInputs, rows: pl.DataFrame, settings: ReportSettings) -> Topics | Skipped:
    """Describe the largest topics; count the others."""
    reason = why_not("Clustering", inputs.clustering, inputs.clusters)
    if reason or inputs.topics is None or not inputs.topics.height:
        return Skipped(reason or "No topics were found.")
    order, line = ranked(inputs.topics), timeline(inputs, STRETCHES)
    head = order.head(settings.topics + FOLDED)
    typical = _typical_texts(head, rows)
    followed = positive(inputs)
    said = _mean_words if is_number(inputs) else _rate_words
    found = [
        _topic(row, rows, line, followed, typical, settings.examples, said)
        for row in head.iter_rows(named=True)
    ]
    rest = order.slice(head.height)
    return Topics(
        lead=_lead(order, found, rate_name(inputs)),
        shown=found[: settings.topics],
        folded=found[settings.topics :],
        more=rest.height,
        more_rows=int(rest["rows"].sum()),
        method=method(inputs.clustering),
        base_rate=rate(rows, followed),
        rate_name=rate_name(inputs),
        rate_scale=min(1.0, 1.1 * max((t.rate or 0 for t in found), default=0)) or 1.0,
        trend_labels=(line.partitions[0], line.partitions[-1]) if len(line) > 1 else ("", ""),
    )


def rate(rows: pl.DataFrame, followed: str | None) -> float | None:
    """The share of the labelled rows that have the followed class."""
    labelled = rows.height - rows["label"].null_count()
    if followed is None or not labelled:
        return None
    return int((rows["label"] == followed).sum()) / labelled


def _topic(
    row: Mapping[str, Any],
    rows: pl.DataFrame,
    line: Timeline,
    followed: str | None,
    typical: dict[str, str],
    examples: int,
    said: Callable[[pl.DataFrame, float | None], str],
) -> Topic:
    members = rows.filter(pl.col("topic") == row["topic"])
    share = rate(members, followed)
    return Topic(
        name=row["name"],
        rows=int(row["rows"]),
        share=float(row["share"]),
        colour=colour(row["place"], row["topic"]),
        rate=share,
        rate_words=said(members, share),
        trend=_trend(members, rows, line),
        terms=[cut(term, 40) for term in row["terms"][:10]],
        typical=_distinct([typical[t] for t in row["typical"] if t in typical])[:examples],
    )


def _rate_words(members: pl.DataFrame, share: float | None) -> str:
    if share is not None:
        return percent(share)
    found = classes(members["label"])
    if not found:
        return ""
    return f"{cut(found[0][0], 40)} {percent(found[0][1] / sum(n for _, n in found))}"


def _mean_words(members: pl.DataFrame, _: float | None) -> str:
    found = mean(members["label"])
    return "" if found is None else amount(found, fixed=True)


def _trend(members: pl.DataFrame, rows: pl.DataFrame, line: Timeline) -> list[float]:
    """The topic's share of the rows in each stretch, from 0 to 1."""
    if line.stretches < 3:
        return []
    shares = line.counts(members) / np.maximum(line.counts(rows), 1)
    return [round(float(share), 5) for share in shares]


def _distinct(texts: list[str]) -> list[str]:
    """The texts without those that repeat an earlier one but for case and signs."""
    bare = {"".join(filter(str.isalnum, text.casefold())) or text: text for text in texts[::-1]}
    return [text for text in texts if text in bare.values()]


def _typical_texts(topics: pl.DataFrame, rows: pl.DataFrame) -> dict[str, str]:
    """The texts of the rows that stand for their topics, by row id."""
    chosen = [str(row_id) for typical in topics["typical"] for row_id in typical[:10]]
    found = rows.filter(pl.col("row_id").is_in(chosen)).select("row_id", "text")
    return {row_id: cut(text, 220) for row_id, text in found.iter_rows() if text}


def _lead(order: pl.DataFrame, found: list[Topic], rate_name: str) -> str:
    real = order.filter(pl.col("topic") >= 0)
    if not real.height:
        return "The texts form no topics."
    first = found[0]
    said = f"{plural(real.height, 'topic')}; the largest, “{first.name}”, holds " + (
        f"{percent(first.share)} of the rows."
    )
    rated = [t for t in found[: real.height] if t.rate is not None and t.rows >= ENOUGH]
    if not rated:
        return said
    top = max(rated, key=lambda t: t.rate or 0)
    return f"{said} “{rate_name}” is most frequent in “{top.name}” ({top.rate_words})."
