"""The table of results keeps its contract and says what was mined of each row."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from fusemine.tasks.report.contracts import RESULTS
from fusemine.tasks.report.model import ReportInputs
from fusemine.tasks.report.results import results, topics_of_rows

Make = Callable[..., ReportInputs]


def test_results_say_how_unusual_each_row_is_whether_it_is_flagged_and_why(make: Make) -> None:
    inputs = make()
    raw = inputs.clean.select("row_id", "partition", source=pl.lit("a.csv"), anomaly_flagged="text")
    mined = (inputs.predictions, inputs.clusters, inputs.topics, inputs.anomalies)
    predictions, clusters, topics, anomalies = (t for t in mined if t is not None)
    # Of the last row nothing is known.
    table = results(
        raw, inputs.clean, predictions, topics_of_rows(clusters, topics), anomalies.head(79)
    )
    RESULTS.check(table.to_arrow())
    assert table["row_id"].to_list() == inputs.clean["row_id"].to_list()
    assert table["anomaly_flagged"].to_list() == [True] * 3 + [False] * 76 + [None]
    assert table["anomaly_reason"].null_count() == table["anomaly_score"].null_count() == 1
    # The source's own column of that name stands beside it.
    assert table["anomaly_flagged_"].to_list() == inputs.clean["text"].to_list()
