"""The report's headline figures and findings, and sections of stages that did not run."""

from __future__ import annotations

import polars as pl
import pytest
from support.report.given import changed, content, model_of, table_of
from support.report.inputs import make
from support.report.mined import event_rows

from fusemine.tasks.report.model import Skipped
from fusemine.tasks.report.trends import Trends
from fusemine.tasks.report.words import percent


def test_headline_figures_name_rows_label_quality_topics_and_unusual_rows() -> None:
    inputs = make()
    labels = inputs.clean["label"].drop_nulls()
    figures = {figure.name: figure.value for figure in model_of(inputs).figures}
    assert figures == {
        "rows in": "82",
        "rows kept": "80",
        "rows rejected": "1",
        "label rate": percent((labels == "positive").sum() / len(labels)),
        "average precision": "0.700",
        "gain of fusion": "+0.050",
        "topics": "4",
        "unusual rows": "3",
    }


@pytest.mark.parametrize(
    ("summary", "section"),
    [
        ("classification", "label"), ("clustering", "topics"), ("clustering", "map"),
        ("anomaly", "anomalies"),
    ],
)  # fmt: skip
def test_a_skipped_miner_gives_its_reason(summary: str, section: str) -> None:
    found = content(model_of(make(**{summary: {"skipped": "3 rows are too few"}})), section)
    assert isinstance(found, Skipped)
    assert found.lead.endswith("was skipped: 3 rows are too few.")


def test_without_miners_the_report_still_has_rows_and_trends() -> None:
    absent = ("predictions", "classification", "clusters", "topics", "clustering")
    model = model_of(make(**dict.fromkeys((*absent, "anomalies", "anomaly"))))
    assert isinstance(content(model, "label"), Skipped)
    assert isinstance(content(model, "trends"), Trends)
    names = [figure.name for figure in model.figures]
    assert names == ["rows in", "rows kept", "rows rejected", "label rate"]


def test_findings_count_rows_and_name_themes_changes_and_new_rows() -> None:
    inputs = make(events=event_rows(("1990-08", "born"), ("1990-08", "fitted")))
    flags = table_of(inputs, "anomalies").with_columns(flagged=pl.col("rank").is_in([1, 80]))
    model = model_of(changed(inputs, anomalies=flags))
    assert model.findings[0] == "Rows: 82 in, 80 kept, 1 rejected, 1 without a partition."
    assert model.findings[2] == (
        "Topics: 4 in 2 themes; the largest theme is “theme number 0” (34 rows, 42.5 %); in "
        "1990-08: 1 new."
    )
    assert model.findings[3].startswith("Unusual rows: 2 flagged, 1 of them new; the first is row")
    details = {figure.name: figure.detail for figure in model.figures}
    assert details["topics"] == "in 2 themes, the largest 42.5 %"
    assert details["unusual rows"] == "2.5 %, 1 new"


def test_where_no_row_is_flagged_the_finding_gives_the_reason_of_the_first() -> None:
    inputs = make()
    none = table_of(inputs, "anomalies").with_columns(flagged=pl.lit(False))
    assert model_of(changed(inputs, anomalies=none)).findings[3] == (
        "Unusual rows: none of 80 rows is flagged; the least usual is row r0: height 12,000 is "
        "rare."
    )
    bare = none.with_columns(reason=pl.lit(None, pl.String), rank=81 - pl.col("rank"))
    finding = model_of(changed(inputs, anomalies=bare)).findings[3]
    assert finding.endswith("the least usual is row r79: “" + inputs.clean["text"][79] + "”.")


def test_the_last_finding_names_what_bursts_in_the_runs_partition() -> None:
    finding = model_of(make(rows=800)).findings[4]
    assert "far more than expected is of “topic number 1” (" in finding
    quiet = model_of(make(rows=800, shares=None)).findings[4]
    assert "far more" not in quiet


def test_a_difference_that_may_be_chance_is_called_that() -> None:
    summary = {**make().summaries["classify"], "gain": {"value": 0.01, "interval": [-0.02, 0.04]}}
    assert "may be chance" in model_of(make(classification=summary)).findings[1]


def test_a_partition_of_few_rows_is_not_compared_with_the_window() -> None:
    few, many = (model_of(make(rows=rows, partitions=8)).findings[4] for rows in (80, 800))
    assert few.endswith("too few to compare with the window.")
    assert "label rate" in many
