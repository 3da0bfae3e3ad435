"""What the miners of topics and of unusual rows give, by their contracts."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from fusemine.tasks.core.contract import Contract
from fusemine.tasks.mine.anomalies.contracts import ANOMALIES, BURSTS, REPEATS
from fusemine.tasks.mine.topic_chain.contracts import EVENTS
from fusemine.tasks.mine.topics.category_lift import category_lift
from fusemine.tasks.mine.topics.contracts import CLUSTERS, CROSSED, SHARES, THEMES, TOPICS
from fusemine.tasks.mine.topics.over_time import over_time

CLUSTERING: dict[str, Any] = {
    "skipped": None,
    "method": "communities of the graph of neighbours",
    "silhouette": 0.31,
    "coherence": 0.04,
    "diversity": 0.8,
    "stability": 0.95,
    "outlier_share": 0.041,
    "agreement": {"v_measure": 0.15, "ari": 0.1, "column": "label"},
    "naming": {"by": "words", "trouble": None},
}
ANOMALY: dict[str, Any] = {
    "skipped": None,
    "method": "distances, fused by Fisher's method",
    "views": {"text": "used", "table": "used", "match": "used", "time": "there is no time"},
    "threshold": {"rule": "the first beyond a tail", "expected_false_share": 0.1},
}


def cluster_rows(clean: pl.DataFrame, topics: int) -> pl.DataFrame:
    """Every row's topic by its place; -1 without a text; every twentieth is like no others."""
    random = np.random.default_rng(2)
    place = pl.int_range(pl.len())
    frame = clean.select(
        "row_id",
        topic=pl.when("has_text").then(place % topics).otherwise(-1),
        strength=pl.lit(0.5),
        second=pl.when("has_text").then((place + 1) % topics),
        outlier=pl.col("has_text") & (place % 20 == 1),
        x=pl.when("has_text").then(pl.Series(random.normal(size=clean.height))),
        y=pl.when("has_text").then(pl.Series(random.normal(size=clean.height))),
    )
    return checked(frame, CLUSTERS)


def topic_rows(clean: pl.DataFrame, topics: int, themes: int) -> pl.DataFrame:
    """The topics of `cluster_rows`, with terms and the ids of typical and central rows."""
    members = (
        cluster_rows(clean, topics)
        .group_by("topic")
        .agg(pl.col("row_id").sort(), pl.col("outlier").sum())
        .sort("topic")
    )
    real = pl.col("topic") >= 0
    frame = members.select(
        "topic",
        name=pl.format("topic number {}", "topic"),
        theme=pl.when(real).then(pl.col("topic") % themes).otherwise(-1),
        rows=pl.col("row_id").list.len().cast(pl.Int64),
        share=pl.col("row_id").list.len() / clean.height,
        outliers="outlier",
        terms=pl.lit(["bird", "engine"]),
        typical=pl.col("row_id").list.head(5),
        central=pl.col("row_id").list.tail(5),
        coherence=pl.when(real).then(pl.col("topic") / 10 - 0.05),
        born=pl.when(pl.col("topic") == 1).then(pl.lit("1990-03")).otherwise(pl.lit("1990-01")),
        named_by=pl.lit("words"),
    )
    return checked(frame, TOPICS)


def theme_rows(topics: pl.DataFrame) -> pl.DataFrame:
    """The themes of `topic_rows`."""
    real = topics.filter(pl.col("topic") >= 0)
    frame = real.group_by("theme").agg(
        pl.format("theme number {}", pl.col("theme").first()).alias("name"),
        pl.len().cast(pl.Int64).alias("topics"),
        pl.col("rows").sum(),
        pl.col("share").sum(),
    )
    return checked(frame.sort("rows", "theme", descending=[True, False]), THEMES)


def share_rows(clean: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """The topics over time, a burst of topic 1 in the last partition among them."""
    frame = over_time(clean["partition"], clusters["topic"].to_numpy())
    burst = (pl.col("topic") == 1) & (pl.col("partition") == pl.col("partition").max())
    return checked(
        frame.with_columns(
            burst=pl.when(burst).then(True).otherwise("burst"),
            expected=pl.when(burst).then(0.4).otherwise("expected"),
        ),
        SHARES,
    )


def crossed_rows(clean: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """The topics against the categories; topic 0 comes with the first level beyond chance."""
    frame = category_lift(clean, clusters["topic"].to_numpy())
    first = (pl.col("topic") == 0) & (pl.col("level") == pl.col("level").first())
    notable = frame.with_columns(
        lift=pl.when(first).then(3.0).otherwise("lift"),
        notable=pl.when(first).then(True).otherwise("notable"),
    )
    return checked(notable, CROSSED)


def event_rows(*events: tuple[str, str], text: str = "topic") -> pl.DataFrame:
    """Events of the topic registry from their partitions and kinds."""
    records = [
        {
            "partition": partition,
            "kind": kind,
            "topic": None if kind == "fitted" else place,
            "name": "" if kind == "fitted" else f"{text} {place}",
            "other": 9 if kind in {"split", "merged"} else None,
            "other_name": f"{text} 9" if kind in {"split", "merged"} else None,
            "rows": 12,
            "before": 0.1 if kind == "grew" else None,
            "now": 0.3 if kind == "grew" else None,
            "evidence": f"{text} {place} has 12 texts",
        }
        for place, (partition, kind) in enumerate(events)
    ]
    columns = {name: pl.Series(dtype=pl.String) for name in EVENTS.columns}
    frame = pl.DataFrame(records) if records else pl.DataFrame(columns)
    whole = dict.fromkeys(("topic", "other", "rows"), pl.Int64)
    parts = dict.fromkeys(("before", "now"), pl.Float64)
    return checked(frame.cast({**whole, **parts, "other_name": pl.String}), EVENTS)


def anomaly_rows(clean: pl.DataFrame) -> pl.DataFrame:
    """A rank for every row, the first three flagged; the rows of the last partition are new."""
    scores = pl.Series(np.linspace(1, 0, clean.height))
    place = pl.int_range(pl.len())
    many = clean["partition"].n_unique() > 1
    frame = clean.select(
        "row_id",
        rank=place + 1,
        score=scores,
        p_value=1 - scores,
        text_score=pl.when("has_text").then(scores),
        table_score=scores / 2,
        match_score=scores / 4,
        time_score=pl.lit(None, pl.Float64),
        new=pl.lit(many) & (pl.col("partition") == pl.col("partition").max()),
        flagged=place < 3,
        group=pl.when(place == 2).then(0),
        reason=pl.lit("height 12,000 is rare"),
        near=pl.when(place < 3).then(pl.lit(["r3", "r4"])),
    )
    return checked(frame, ANOMALIES)


def repeated_rows(groups: int = 2, text: str = "no damage") -> pl.DataFrame:
    """Groups of repeated texts, the last of them a burst."""
    place = pl.int_range(pl.len())
    frame = pl.DataFrame({"group": range(groups)}, {"group": pl.Int64}).select(
        "group",
        rows=20 - place.clip(upper_bound=9),
        texts=pl.lit(3, pl.Int64),
        share=pl.lit(0.1),
        first=pl.lit("1990-01"),
        last=pl.lit("1990-05"),
        peak=pl.lit("1990-02"),
        peak_rows=pl.lit(7, pl.Int64),
        example=pl.lit("r2"),
        text=pl.lit(text),
        burst=place == groups - 1,
    )
    return checked(frame, REPEATS)


def burst_rows(*partitions: str, level: str = "cloud") -> pl.DataFrame:
    """Bursts of a level of the sky in some partitions, the first one the surest."""
    records = [
        {
            "column": "sky",
            "level": level,
            "partition": partition,
            "rows": 31,
            "expected": 8.0,
            "low": 4,
            "high": 12,
            "kind": "burst",
            "p_value": 1e-6 * (place + 1),
        }
        for place, partition in enumerate(partitions)
    ]
    return checked(pl.DataFrame(records), BURSTS)


def checked(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The frame, once it has passed its contract."""
    contract.check(frame.to_arrow())
    return frame
