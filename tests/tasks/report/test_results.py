"""The table of results keeps its contract and has what was found for each row."""

from __future__ import annotations

import polars as pl
from support.report.given import table_of
from support.report.inputs import make

from fusemine.tasks.graph import GRAPH
from fusemine.tasks.mine.anomalies import contracts as anomalies
from fusemine.tasks.mine.classify import contracts as classify
from fusemine.tasks.mine.topics import contracts as topics
from fusemine.tasks.report.contracts import RESULTS
from fusemine.tasks.report.results import results


def test_results_have_each_rows_anomaly_score_flag_and_reason() -> None:
    inputs = make()
    raw = inputs.clean.select("row_id", "partition", source=pl.lit("a.csv"), anomaly_flagged="text")
    parts = [
        classify.row_columns(table_of(inputs, "predictions")),
        topics.row_columns(table_of(inputs, "clusters"), table_of(inputs, "topics")),
        # Of the last row nothing is known.
        anomalies.row_columns(table_of(inputs, "anomalies").head(79)),
    ]
    table = results(raw, inputs.clean, parts, GRAPH.row_columns)
    RESULTS.check(table.to_arrow())
    assert table["row_id"].to_list() == inputs.clean["row_id"].to_list()
    assert table["anomaly_flagged"].to_list() == [True] * 3 + [False] * 76 + [None]
    assert table["anomaly_reason"].null_count() == table["anomaly_score"].null_count() == 1
    # The source's own column of that name is kept beside it.
    assert table["anomaly_flagged_"].to_list() == inputs.clean["text"].to_list()
