"""A small run's tables and summaries, by the contracts, for the report's tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.mine.classify.contracts import LABEL_ERRORS, PREDICTIONS
from fusemine.tasks.report.model import ReportInputs, StageRow
from support.report.given import SUMMARIES, TABLES, changed
from support.report.mined import (
    ANOMALY,
    CLUSTERING,
    anomaly_rows,
    burst_rows,
    checked,
    cluster_rows,
    crossed_rows,
    event_rows,
    repeated_rows,
    share_rows,
    theme_rows,
    topic_rows,
)
from support.report.summaries import number_summary, summary

WORDS = ("gull hit the engine", "deer on the runway", "no damage was found", "hawk struck the wing")
TYPES = {
    **dict.fromkeys(("row_id", "partition", "text", "label", "duplicate_of"), pl.String()),
    **dict.fromkeys(("event_time", "known_at"), pl.Datetime("us", "UTC")),
    **dict.fromkeys(("text.remarks", "category.sky"), pl.String()),
    "has_text": pl.Boolean(),
    "number.height": pl.Float64(),
}


def make(
    rows: int = 80,
    partitions: int = 8,
    texts: Sequence[str] | None = None,
    classes: Sequence[str] = ("negative", "positive"),
    topic_count: int = 4,
    theme_count: int = 2,
    **replaced: Any,
) -> ReportInputs:
    """Rows in even partitions, topics and labels, all drawn from a fixed seed."""
    clean = clean_rows(rows, partitions, texts, classes)
    placed, described = (
        cluster_rows(clean, topic_count),
        topic_rows(clean, topic_count, theme_count),
    )
    values: dict[str, Any] = {
        "name": "wildlife",
        "title": "Wildlife strikes",
        "partition": clean["partition"][-1] if rows else "1996-01",
        "window_label": "all partitions",
        "partitions": sorted(clean["partition"].unique()),
        "stages": [
            StageRow("collect", rows + 2, rows + 1, 0, 1),
            StageRow("clean", rows + 1, rows, 1),
        ],
        "rejected": removed("clean", "not a number", "'x' is not a number", '{"height": "x"}'),
        "unassigned": removed("collect", "no time", "the time is empty", '{"date": ""}'),
        "clean": clean,
        "predictions": prediction_rows(clean, classes),
        "classification": summary(classes),
        "doubts": doubt_rows(clean),
        "clusters": placed,
        "topics": described,
        "themes": theme_rows(described),
        "shares": share_rows(clean, placed),
        "crossed": crossed_rows(clean, placed),
        "events": event_rows(("1990-02", "grew"), ("1990-04", "drifted")),
        "clustering": CLUSTERING,
        "anomalies": anomaly_rows(clean),
        "repeats": repeated_rows(),
        "bursts": burst_rows("1990-02"),
        "anomaly": ANOMALY,
        "settings": {"version": 1, "label": {"column": "effect"}},
        "versions": {"polars": "1"},
        "keys": {"clean": "abc"},
    }
    values |= replaced
    mined = {name: values.pop(name, None) for name in (*TABLES, *SUMMARIES)}
    return changed(ReportInputs(**values), **mined)


def clean_rows(
    rows: int, partitions: int, texts: Sequence[str] | None, classes: Sequence[str]
) -> pl.DataFrame:
    """The clean table; every seventh text is empty and every eleventh label is unknown."""
    random = np.random.default_rng(1)
    places = np.arange(rows) * partitions // max(rows, 1)
    made = [WORDS[i % 4] + f" number {i // 8}" if i % 7 else "" for i in range(rows)]
    text = [*texts, *made][:rows] if texts else made
    labels = random.choice(list(classes), rows).tolist() if classes else [None] * rows
    start = datetime(1990, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "row_id": [f"r{i}" for i in range(rows)],
            "partition": [f"{1990 + p // 12}-{p % 12 + 1:02d}" for p in places.tolist()],
            "event_time": [start + timedelta(days=30 * p) for p in places.tolist()],
            "known_at": [None] * rows,
            "text": text,
            "has_text": [bool(t) for t in text],
            "label": [None if i % 11 == 10 else label for i, label in enumerate(labels)],
            "duplicate_of": [None] * rows,
            "text.remarks": text,
            "category.sky": [("clear", "cloud", None)[i % 3] for i in range(rows)],
            "number.height": random.normal(100, 10, rows).tolist(),
        },
        schema_overrides=TYPES,
    )
    return checked(frame, CLEAN)


def prediction_rows(clean: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """The first class for every row, with a probability that falls from row to row."""
    first = classes[0] if classes else "none"
    sure = pl.Series(np.linspace(0.99, 0.6, clean.height))
    frame = clean.select(
        "row_id",
        split=pl.lit("test"),
        label="label",
        prediction=pl.lit(first),
        probability=sure,
        **{f"probability.{name}": sure if name == first else 1 - sure for name in classes[:5]},
    )
    return checked(frame, PREDICTIONS)


def doubt_rows(clean: pl.DataFrame) -> pl.DataFrame:
    """Nine likely errors, then three copies of other rows, as far as rows have a label."""
    labelled = clean.filter(pl.col("label").is_not_null()).head(12)
    place = pl.int_range(pl.len())
    is_copy = place >= 9
    frame = labelled.select(
        "row_id",
        rank=place + 1,
        kind=pl.when(is_copy)
        .then(pl.lit("copy with another label"))
        .otherwise(pl.lit("likely error")),
        label="label",
        suggested=pl.lit("another"),
        confidence=1 - place / 20,
        alike=pl.when(is_copy).then(pl.lit("r0")),
    )
    return checked(frame, LABEL_ERRORS)


def make_numbers(rows: int = 80) -> ReportInputs:
    """The inputs of a report on a label that is a number, in no other classes' terms."""
    inputs = make(rows=rows)
    clean = inputs.clean.with_columns(
        label=pl.when(pl.col("label").is_not_null()).then(
            pl.int_range(pl.len()).cast(pl.Float64).cast(pl.String)
        )
    )
    predictions = clean.select(
        "row_id",
        split=pl.lit("test"),
        label="label",
        prediction=pl.lit("40.5"),
        probability=pl.lit(None, pl.Float64),
    )
    return changed(
        inputs,
        clean=clean,
        predictions=predictions,
        classification=number_summary(),
        doubts=doubt_rows(clean).with_columns(suggested=pl.lit("12.25")),
        label_name="speed",
    )


def removed(stage: str, rule: str, reason: str, row: str) -> pl.DataFrame:
    """One row that was left out."""
    values = {"row_id": "gone", "stage": stage, "rule": rule, "reason": reason, "row": row}
    return checked(pl.DataFrame([values]), REJECTED)
