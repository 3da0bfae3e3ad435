"""A report on a label that is a number: means where a class would have rates."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from support.present import present
from support.report.given import changed, content, label_of, model_of, table_of

from fusemine.tasks.mine.topics.report.model import TextMap, Topics
from fusemine.tasks.report.model import ReportInputs
from fusemine.tasks.report.trends import Trends

Make = Callable[..., ReportInputs]


def test_the_lead_compares_the_error_with_that_of_the_mean(make_numbers: Make) -> None:
    section = label_of(make_numbers())
    assert section.lead == (
        "Table and text together reach an RMSE of 5.000 (95 % interval 4.000 to 6.000) on 20 test "
        "rows; the mean alone gets 20.00."
    )
    assert section.gain.startswith(
        "Table and text together beat the table alone by +2.00 in RMSE (above 0 is better)"
    )
    assert section.numbers == "73 rows have a number, from 0 to 79, median 39."
    assert section.classes == []


def test_the_headline_is_the_mean_of_the_label_and_the_error(make_numbers: Make) -> None:
    figures = {figure.name: figure for figure in model_of(make_numbers()).figures}
    assert figures["mean of speed"].value == "39.16"
    assert figures["mean of speed"].detail == "0 to 79"
    assert figures["RMSE"].value == "5.000"
    assert figures["gain of fusion"].value == "+2.00"
    assert not {"label rate", "classes of the label"} & set(figures)


def test_the_finding_names_the_better_of_table_and_text_by_the_smaller_error(
    make_numbers: Make,
) -> None:
    line = model_of(make_numbers()).findings[1]
    assert line.startswith("Label: RMSE 5.000 (4.000 to 6.000) from table and text, 7.000 from")
    assert "7.000 from table alone" in line


def test_a_partition_is_set_against_the_window_by_its_mean(make_numbers: Make) -> None:
    line = model_of(make_numbers(rows=400)).findings[4]
    assert "mean of speed 374.7 against" in line
    assert "label rate" not in line


def test_the_views_and_their_reference_are_those_of_numbers(make_numbers: Make) -> None:
    ablation = present(label_of(make_numbers()).ablation)
    assert ablation.views[0].name == "mean"
    assert [forest.name for forest in ablation.forests] == ["RMSE", "R²"]
    assert ablation.forests[0].reference == 20
    assert ablation.forests[0].reference_name == "always the mean"
    assert ablation.metrics[0].cells[0].text == "20.00"


def test_predicted_and_true_numbers_are_points_and_the_median_error_is_stated(
    make_numbers: Make,
) -> None:
    quality = present(label_of(make_numbers()).quality)
    assert len(quality.spread) == 20
    assert quality.lead == "Half of the test rows are predicted with an error of 2 or less."
    assert (quality.confusion, quality.curve, quality.calibration) == (None, [], [])


def test_numbers_too_large_to_be_drawn_are_left_out(make_numbers: Make) -> None:
    inputs = make_numbers()
    spread = {"predicted": [1.0, 1e300, 2.0], "true": [1.0, 2.0, -1e200]}
    summary = {**inputs.summaries["classify"], "spread": spread}
    quality = present(label_of(changed(inputs, classification=summary)).quality)
    assert quality.spread == [(1.0, 1.0)]


def test_reasons_and_groups_are_in_the_labels_unit(make_numbers: Make) -> None:
    section = label_of(make_numbers())
    reasons = present(section.reasons)
    assert reasons.lead.endswith("the RMSE gets worse by 3.000.")
    card = reasons.explained[0]
    assert card.title == "Among the largest errors"
    assert card.prediction == "predicted 0; −1 for the average row"
    assert card.quote.label == "labelled 3"
    assert present(section.groups).columns[0].levels[0].cells == ["4.000", "−1.50"]


def test_doubtful_numbers_are_shown_beside_their_prediction(make_numbers: Make) -> None:
    errors = present(label_of(make_numbers()).label_errors)
    assert errors.rows[0].text == "labelled 0, predicted 12.25"


def test_topics_have_means_and_no_rates(make_numbers: Make) -> None:
    inputs = make_numbers()
    section = content(model_of(inputs), "topics")
    assert isinstance(section, Topics)
    topic = section.described[0]
    members = table_of(inputs, "clusters").filter(pl.col("topic") == 0).select("row_id")
    values = inputs.clean.join(members, on="row_id")["label"].drop_nulls().cast(pl.Float64)
    assert float(topic.rate_words) == pytest.approx(float(values.to_numpy().mean()), abs=0.01)
    assert (topic.rate, section.base_rate, section.rate_name) == (None, None, "mean of speed")


def test_a_mean_over_time_lies_within_its_band_and_is_in_place_of_rates(make_numbers: Make) -> None:
    section = content(model_of(make_numbers()), "trends")
    assert isinstance(section, Trends)
    assert section.rates == []
    mean = present(section.mean)
    bands = zip(mean.low, mean.values, mean.high, strict=True)
    assert all(low < value < high for low, value, high in bands if None not in (low, value, high))
    assert mean.values[0] == pytest.approx(4.5)


def test_the_map_colours_quarters_of_the_numbers(make_numbers: Make) -> None:
    section = content(model_of(make_numbers()), "map")
    assert isinstance(section, TextMap)
    assert len(section.labels) == 5
    assert section.labels[0].startswith("below ")
    assert section.labels[-1] == ""
    counts = [section.label.count(k) for k in range(4)]
    assert max(counts) - min(counts) <= 2


def test_equal_numbers_have_fewer_quarters_and_lose_no_row(make_numbers: Make) -> None:
    inputs = make_numbers()
    same = inputs.clean.with_columns(label=pl.lit("7.0"))
    section = content(model_of(changed(inputs, clean=same)), "map")
    assert isinstance(section, TextMap)
    assert section.labels == ["below 7", "7 or more", ""]
    assert set(section.label) == {1}


def test_a_number_that_was_not_learnt_is_known_from_the_settings(make_numbers: Make) -> None:
    inputs = make_numbers()
    skipped = changed(
        inputs,
        classification={"skipped": "only 3 rows have a label", "kind": None},
        settings={"columns": {"label": {"column": "speed", "kind": "number"}}},
    )
    names = [figure.name for figure in model_of(skipped).figures]
    assert "mean of speed" in names
    assert "classes of the label" not in names
