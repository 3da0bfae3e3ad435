"""The section on rows and columns."""

from __future__ import annotations

import polars as pl
from support.report.given import content, model_of
from support.report.inputs import make

from fusemine.tasks.report.model import StageRow


def test_all_rows_are_kept_rejected_or_unassigned() -> None:
    lead = "Of 82 rows, 80 were kept, 1 rejected, 1 without a partition."
    assert content(model_of(make()), "intake").lead == lead


def test_rows_that_a_stage_loses_silently_are_counted() -> None:
    assert StageRow("clean", 10, 6, 2, 1).unaccounted == 1
    assert StageRow("clean", 10, 7, 2, 1).unaccounted == 0


def test_rejected_rows_are_grouped_by_rule_with_a_few_short_examples() -> None:
    rejected = make().rejected
    many = pl.concat([rejected.with_columns(row=pl.lit("x" * 9000))] * 7)
    rules = content(model_of(make(rejected=many), examples=2), "intake").rules
    found = [(rule.rule, rule.rows, len(rule.examples)) for rule in rules]
    assert found == [("not a number", 7, 2), ("no time", 1, 1)]
    assert all(len(example) <= 240 for rule in rules for example in rule.examples)


def test_columns_with_most_missing_values_come_first() -> None:
    columns = content(model_of(make()), "intake").columns
    assert [c.name for c in columns] == ["sky", "remarks", "event time", "height"]
    assert columns[0].missing_rows == 26
    assert columns[0].values == "clear 50.0 % · cloud 50.0 %"
    assert columns[2].values == "1990-01-01 to 1990-07-30"


def test_a_number_that_is_not_finite_counts_as_missing() -> None:
    clean = make().clean.with_columns(pl.lit(float("nan")).alias("number.height"))
    columns = {c.name: c for c in content(model_of(make(clean=clean)), "intake").columns}
    assert (columns["height"].missing, columns["height"].values) == (1, "")


def test_two_thousand_columns_stay_readable() -> None:
    wide = make().clean.with_columns(pl.lit(1.0).alias(f"number.n{i}") for i in range(2000))
    intake = content(model_of(make(clean=wide)), "intake")
    assert len(intake.columns) + intake.more_columns == 2004
    assert len(intake.columns) == 200
