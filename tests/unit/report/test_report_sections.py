"""What the report says of a run, section by section."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.report.given import changed, content, model_of, table_of
from unit.report.mined import event_rows

from fusemine.tasks.report.model import ReportInputs, Skipped, StageRow
from fusemine.tasks.report.timeline import Timeline
from fusemine.tasks.report.trends import Trends
from fusemine.tasks.report.words import percent

Make = Callable[..., ReportInputs]


def test_headline_figures_name_rows_label_quality_topics_and_unusual_rows(make: Make) -> None:
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


def test_rows_that_came_in_are_kept_rejected_or_not_placed(make: Make) -> None:
    lead = content(model_of(make()), "intake").lead
    assert lead == "Of 82 rows, 80 were kept: 1 row was rejected and 1 could not be placed in time."


def test_a_stage_that_loses_rows_silently_is_found_out() -> None:
    assert StageRow("clean", 10, 6, 2, 1).unaccounted == 1
    assert StageRow("clean", 10, 7, 2, 1).unaccounted == 0


def test_rejected_rows_are_grouped_by_rule_with_a_few_short_examples(make: Make) -> None:
    rejected = make().rejected
    many = pl.concat([rejected.with_columns(row=pl.lit("x" * 9000))] * 7)
    rules = content(model_of(make(rejected=many), examples=2), "intake").rules
    assert [(rule.rule, rule.rows, len(rule.examples)) for rule in rules] == [
        ("not a number", 7, 2),
        ("no time", 1, 1),
    ]
    assert all(len(example) <= 240 for rule in rules for example in rule.examples)


def test_columns_with_most_missing_values_come_first(make: Make) -> None:
    columns = content(model_of(make()), "intake").columns
    assert [c.name for c in columns] == ["sky", "remarks", "event time", "height"]
    assert columns[0].missing_rows == 26
    assert columns[0].values == "clear 50.0 % · cloud 50.0 %"
    assert columns[2].values == "1990-01-01 to 1990-07-30"


def test_a_number_that_is_not_finite_counts_as_missing(make: Make) -> None:
    clean = make().clean.with_columns(pl.lit(float("nan")).alias("number.height"))
    column = next(
        c for c in content(model_of(make(clean=clean)), "intake").columns if c.name == "height"
    )
    assert column.missing == 1
    assert column.values == ""


def test_two_thousand_columns_stay_readable(make: Make) -> None:
    wide = make().clean.with_columns(pl.lit(1.0).alias(f"number.n{i}") for i in range(2000))
    intake = content(model_of(make(clean=wide)), "intake")
    assert len(intake.columns) + intake.more_columns == 2004
    assert len(intake.columns) == 200


def test_trends_count_every_row_once(make: Make) -> None:
    section = content(model_of(make(rows=700, partitions=500)), "trends")
    assert isinstance(section, Trends)
    assert len(section.rows.values) <= 120
    assert sum(v or 0 for v in section.rows.values) == 700


def test_a_gap_in_time_is_a_gap_in_the_chart(make: Make) -> None:
    section = content(model_of(make(gaps=["1990-03"], rows=80, partitions=2)), "trends")
    assert isinstance(section, Trends)
    assert section.rows.values == [40, 40, 0]
    assert section.rates[0].values[2] is None


def test_one_partition_has_no_trend(make: Make) -> None:
    section = content(model_of(make(partitions=1)), "trends")
    assert isinstance(section, Skipped)
    assert "only one partition" in section.lead


@given(st.integers(1, 400), st.integers(1, 130))
def test_stretches_hold_every_partition_once(partitions: int, most: int) -> None:
    names = [f"{i:04d}" for i in range(partitions)]
    line = Timeline(names, -(-partitions // most))
    assert line.stretches == len(line.labels) <= most
    rows = pl.DataFrame({"partition": names})
    assert line.counts(rows).sum() == partitions


@pytest.mark.parametrize(
    ("summary", "section"),
    [
        ("classification", "label"),
        ("clustering", "topics"),
        ("clustering", "map"),
        ("anomaly", "anomalies"),
    ],
)
def test_a_skipped_miner_gives_its_reason(make: Make, summary: str, section: str) -> None:
    found = content(model_of(make(**{summary: {"skipped": "3 rows are too few"}})), section)
    assert isinstance(found, Skipped)
    assert found.lead.endswith("was skipped: 3 rows are too few.")


def test_absent_miners_leave_a_report_of_what_came_in(make: Make) -> None:
    absent = ("predictions", "classification", "clusters", "topics", "clustering")
    model = model_of(make(**dict.fromkeys((*absent, "anomalies", "anomaly"))))
    assert isinstance(content(model, "label"), Skipped)
    assert isinstance(content(model, "trends"), Trends)
    assert [figure.name for figure in model.figures] == [
        "rows in",
        "rows kept",
        "rows rejected",
        "label rate",
    ]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_tables_of_hardly_any_rows_make_a_report(make: Make, rows: int) -> None:
    assert content(model_of(make(rows=rows, partitions=1)), "intake").lead


def test_findings_are_five_and_the_first_counts_the_rows(make: Make) -> None:
    findings = model_of(make()).findings
    assert len(findings) == 5
    assert findings[0] == "Rows: 82 in, 80 kept, 1 rejected, 1 without a partition."


def test_findings_name_themes_changes_and_new_rows(make: Make) -> None:
    inputs = make(events=event_rows(("1990-08", "born"), ("1990-08", "fitted")))
    flags = table_of(inputs, "anomalies").with_columns(flagged=pl.col("rank").is_in([1, 80]))
    model = model_of(changed(inputs, anomalies=flags))
    assert model.findings[2] == (
        "Topics: 4 in 2 themes; the largest theme is “theme number 0” (34 rows, 42.5 %); in "
        "1990-08: 1 new."
    )
    assert model.findings[3].startswith("Unusual rows: 2 flagged, 1 of them new; the first is row")
    details = {figure.name: figure.detail for figure in model.figures}
    assert details["topics"] == "in 2 themes, the largest 42.5 %"
    assert details["unusual rows"] == "2.5 %, 1 new"


def test_where_no_row_is_flagged_the_finding_gives_the_reason_of_the_first(make: Make) -> None:
    inputs = make()
    none = table_of(inputs, "anomalies").with_columns(flagged=pl.lit(False))
    assert model_of(changed(inputs, anomalies=none)).findings[3] == (
        "Unusual rows: none of 80 rows is flagged; the least usual is row r0: height 12,000 is "
        "rare."
    )
    bare = none.with_columns(
        reason=pl.when(pl.col("rank") > 99).then("reason"), rank=81 - pl.col("rank")
    )
    finding = model_of(changed(inputs, anomalies=bare)).findings[3]
    assert finding.endswith("the least usual is row r79: “" + inputs.clean["text"][79] + "”.")


def test_the_last_finding_names_what_bursts_in_the_runs_partition(make: Make) -> None:
    finding = model_of(make(rows=800)).findings[4]
    assert "far more than expected is of “topic number 1” (" in finding
    quiet = model_of(make(rows=800, shares=None)).findings[4]
    assert "far more" not in quiet


def test_a_burst_marks_its_stretch_in_the_trends(make: Make) -> None:
    section = content(model_of(make()), "trends")
    assert isinstance(section, Trends)
    assert {s.name: s.bursts for group in section.shares.values() for s in group if s.bursts} == {
        "topic number 1": [7]
    }
    assert "A ring marks a burst" in section.remark


def test_a_difference_that_may_be_chance_is_called_that(make: Make) -> None:
    summary = {**make().summaries["classify"], "gain": {"value": 0.01, "interval": [-0.02, 0.04]}}
    assert "may be chance" in model_of(make(classification=summary)).findings[1]


def test_a_partition_of_few_rows_is_not_set_against_the_window(make: Make) -> None:
    assert (
        model_of(make(rows=80, partitions=8))
        .findings[4]
        .endswith("too few to set against the window.")
    )
    assert "label rate" in model_of(make(rows=800, partitions=8)).findings[4]
