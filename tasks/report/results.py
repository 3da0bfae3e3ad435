"""The table of results: the source's own columns beside what was mined of each row."""

from __future__ import annotations

import polars as pl

from fusemine.tasks.collect.assign import own_name
from fusemine.tasks.core.contract import RESULTS


def results(
    raw: pl.DataFrame,
    clean: pl.DataFrame,
    predictions: pl.DataFrame,
    topics: pl.DataFrame,
    anomalies: pl.DataFrame,
) -> pl.DataFrame:
    """One row per cleaned row, in their order, by the contract `results`.

    A source's own column that has the name of one of ours gets an underscore behind it.

    Args:
        raw: The source's own columns, by the contract `raw`.
        clean: The cleaned rows.
        predictions: By the contract `predictions`.
        topics: `row_id` and `topic`, the name of it.
        anomalies: By the contract `anomalies`, or as a model scores new rows.
    """
    own = raw.drop("source")
    ours = frozenset(RESULTS.columns) - {"row_id", "partition"}
    own = own.rename({n: own_name(n, ours) for n in own.columns})
    mined = [
        predictions.select("row_id", "prediction", "probability", "split"),
        topics,
        anomalies.select(
            "row_id", anomaly_score="score", anomaly_flagged="flagged", anomaly_reason="reason"
        ),
    ]
    table = clean.select("row_id", "partition", "label")
    for part in mined:
        table = table.join(part, on="row_id", how="left", maintain_order="left")
    table = table.join(own, on=["row_id", "partition"], how="left", maintain_order="left")
    numbers = dict.fromkeys(("probability", "anomaly_score"), pl.Float64)
    types: dict[str, type[pl.DataType]] = {**numbers, "anomaly_flagged": pl.Boolean}
    return table.select(
        *(pl.col(name).cast(types.get(name, pl.String)) for name in RESULTS.columns),
        *(pl.col(name) for name in own.columns if name not in RESULTS.columns),
    )


def topics_of_rows(clusters: pl.DataFrame, topics: pl.DataFrame) -> pl.DataFrame:
    """The name of each row's topic, as `row_id` and `topic`."""
    names = topics.select("topic", topic_name="name")
    rows = clusters.select("row_id", "topic").join(
        names, on="topic", how="left", maintain_order="left"
    )
    return rows.select("row_id", topic="topic_name")
