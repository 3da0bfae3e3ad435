"""One frame that holds what the stages say about each row, for the sections to count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.mine.classify.report.metrics import is_of_numbers
from fusemine.tasks.report.words import cut, finite, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.tasks.report.model import ReportInputs, Summary

COLOURS = 8
"""Topics that get a colour of their own; the others are grey."""


def why_not(name: str, summary: Summary | None, rows: pl.DataFrame | None) -> str:
    """The sentence that says why a miner has no results, or nothing."""
    if summary is not None and summary.get("skipped"):
        return sentence(f"{name} was skipped: {cut(summary['skipped'], 400)}")
    if summary is None or rows is None:
        return f"{name} was not part of this run."
    return "" if rows.height else f"{name} had no rows to work on."


def present(inputs: ReportInputs) -> ReportInputs:
    """The inputs without the tables of skipped miners, which hold nothing to report."""
    return replace(
        inputs,
        predictions=_unless_skipped(inputs.classification, inputs.predictions),
        doubts=_unless_skipped(inputs.classification, inputs.doubts),
        clusters=_unless_skipped(inputs.clustering, inputs.clusters),
        topics=_unless_skipped(inputs.clustering, inputs.topics),
        themes=_unless_skipped(inputs.clustering, inputs.themes),
        shares=_unless_skipped(inputs.clustering, inputs.shares),
        crossed=_unless_skipped(inputs.clustering, inputs.crossed),
        events=_unless_skipped(inputs.clustering, inputs.events),
        anomalies=_unless_skipped(inputs.anomaly, inputs.anomalies),
        repeats=_unless_skipped(inputs.anomaly, inputs.repeats),
        bursts=_unless_skipped(inputs.anomaly, inputs.bursts),
    )


def _unless_skipped(summary: Summary | None, table: pl.DataFrame | None) -> pl.DataFrame | None:
    return None if summary is None or summary.get("skipped") else table


def method(summary: Summary | None) -> str:
    """How a miner worked, in its own words."""
    return sentence(cut(summary["method"], 300)) if summary and summary.get("method") else ""


def facts(inputs: ReportInputs) -> pl.DataFrame:
    """The clean rows in their order, with topic, outlier, coordinates, anomaly rank and flag.

    What a miner did not give is null. `place` is the topic's place in `ranked`.
    """
    rows = inputs.clean.select(
        "row_id", "partition", "text", "has_text", "label", "duplicate_of"
    ).with_row_index("order")
    placed = {"topic": pl.Int64, "outlier": pl.Boolean, "x": pl.Float64, "y": pl.Float64}
    rows = _with(rows, inputs.clusters, placed)
    rows = _with(rows, inputs.anomalies, {"rank": pl.Int64, "flagged": pl.Boolean})
    places = ranked(inputs.topics).select("topic", "place", pl.col("name").alias("topic_name"))
    return _left(rows, places, "topic")


def _with(
    rows: pl.DataFrame, results: pl.DataFrame | None, columns: dict[str, type[pl.DataType]]
) -> pl.DataFrame:
    if results is None:
        return rows.with_columns(pl.lit(None, dtype).alias(c) for c, dtype in columns.items())
    chosen = results.select("row_id", *(pl.col(c).cast(dtype) for c, dtype in columns.items()))
    return _left(rows, chosen, "row_id")


def _left(rows: pl.DataFrame, other: pl.DataFrame, on: str) -> pl.DataFrame:
    return rows.join(other, on=on, how="left").sort("order")


def ranked(topics: pl.DataFrame | None) -> pl.DataFrame:
    """The topics, largest first, with `place` from 0; rows without a topic come last."""
    if topics is None:
        whole = dict.fromkeys(("topic", "theme", "rows", "place"), pl.Int64)
        return pl.DataFrame(schema={**whole, "name": pl.String, "share": pl.Float64})
    order = topics.with_columns(
        pl.col("topic").cast(pl.Int64),
        pl.col("name").map_elements(lambda name: cut(name, 80), return_dtype=pl.String),
    ).sort([pl.col("topic") < 0, pl.col("rows"), pl.col("topic")], descending=[False, True, False])
    return order.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))


def quoted(rows: pl.DataFrame, ids: Iterable[str], limit: int) -> dict[str, str]:
    """The texts of some rows, cut, by the rows' ids; rows without text are not among them."""
    found = rows.filter(pl.col("row_id").is_in(list(ids))).select("row_id", "text")
    return {row_id: cut(text, limit) for row_id, text in found.iter_rows() if text}


def classes(labels: pl.Series) -> list[tuple[str, int]]:
    """The label's classes and their rows, most frequent first."""
    counts = (
        labels.drop_nulls()
        .rename("label")
        .value_counts()
        .sort(["count", "label"], descending=[True, False])
    )
    return [(str(name), int(rows)) for name, rows in counts.iter_rows()]


def is_number(inputs: ReportInputs) -> bool:
    """Whether the label is a number to be foretold, by what was learnt or by the settings."""
    if (inputs.classification or {}).get("kind") is not None:
        return is_of_numbers(inputs.classification)
    found: object = inputs.settings
    for name in ("columns", "label", "kind"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found == "number"


def numbers(labels: pl.Series) -> pl.Series:
    """The finite numbers among labels, which stand in the clean table as text."""
    values = labels.cast(pl.Float64, strict=False).drop_nulls()
    return values.filter(values.is_finite())


def mean(labels: pl.Series) -> float | None:
    """The mean of a label that is a number."""
    values = numbers(labels)
    return finite(values.mean()) if values.len() else None


def rate_name(inputs: ReportInputs) -> str:
    """What the followed rate is the share of, in the user's words where there are any."""
    if is_number(inputs):
        return f"mean of {cut(inputs.label_name or 'the label', 50)}"
    followed = positive(inputs)
    if followed is None:
        return "commonest label"
    return cut(inputs.label_name or f"labelled {followed}", 60)


def positive(inputs: ReportInputs) -> str | None:
    """The class whose rate the report follows: the positive one, or None of many or of numbers."""
    named = (inputs.classification or {}).get("positive")
    if named:
        return str(named)
    found = set(inputs.clean["label"].drop_nulls().unique())
    return "positive" if found and found <= {"positive", "negative"} else None
