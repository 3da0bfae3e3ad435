"""Metrics of predicted numbers, their intervals, and what fusion adds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn import metrics

from fusemine.tasks.mine.classify.evaluation.class_metrics import fusion_gain, with_intervals
from fusemine.tasks.mine.classify.evaluation.number_metrics import METRICS, measure_numbers

Floats = NDArray[np.float64]


def numbers(rows: int = 300, noise: float = 1.0, seed: int = 0) -> tuple[Floats, Floats]:
    """True numbers and predictions that know something; many of both are equal."""
    random = np.random.default_rng(seed)
    truth = np.round(random.normal(50, 2, rows), 0)
    return truth, np.round(truth + noise * random.normal(size=rows), 0)


def expected(truth: Floats, predicted: Floats) -> dict[str, float]:
    return {
        "rmse": metrics.root_mean_squared_error(truth, predicted),
        "mae": metrics.mean_absolute_error(truth, predicted),
        "r2": metrics.r2_score(truth, predicted),
        "spearman": spearmanr(truth, predicted).statistic,
    }


def test_metrics_are_those_of_scikit_learn_and_scipy() -> None:
    truth, predicted = numbers()
    found = measure_numbers(truth, {"both": predicted}, 20, 0)["both"]
    assert tuple(found) == METRICS
    assert {name: drawn[0] for name, drawn in found.items()} == pytest.approx(
        expected(truth, predicted)
    )


def test_a_resample_is_measured_as_if_its_rows_stood_in_the_table() -> None:
    truth, predicted = numbers(50)
    found = measure_numbers(truth, {"both": predicted}, 20, 3)["both"]
    picks = np.random.default_rng(3).integers(0, 50, size=(20, 50))
    for draw, pick in enumerate(picks, start=1):
        values = {name: found[name][draw] for name in METRICS}
        assert values == pytest.approx(expected(truth[pick], predicted[pick]))


def test_a_column_of_predictions_is_as_good_as_a_row_of_them() -> None:
    truth, predicted = numbers()
    flat, column = (
        measure_numbers(truth, {"both": shape}, 20, 0)["both"]
        for shape in (predicted, predicted.reshape(-1, 1))
    )
    for name in METRICS:
        np.testing.assert_array_equal(flat[name], column[name])


def test_predictions_of_another_number_of_rows_are_refused() -> None:
    truth, predicted = numbers()
    with pytest.raises(ValueError, match="cannot reshape"):
        measure_numbers(truth, {"both": predicted[1:]}, 20, 0)


def test_intervals_hold_the_value_and_narrow_with_the_rows() -> None:
    widths = []
    for rows in (200, 5000):
        truth, predicted = numbers(rows)
        found = with_intervals(measure_numbers(truth, {"both": predicted}, 200, 0)["both"])
        for name in METRICS:
            low, high = found[f"{name}_interval"]
            assert low <= found[name] <= high
        widths.append(np.diff(found["rmse_interval"])[0])
    assert widths[1] < widths[0] / 3


def test_less_error_is_a_positive_gain_over_the_better_view_and_paired() -> None:
    (truth, good), (_, worse), (_, worst) = (numbers(1000, noise) for noise in (0.5, 1.5, 3.0))
    views = {"table": worst, "text": worse, "both": good}
    found = fusion_gain(measure_numbers(truth, views, 100, 0))
    assert found["over"] == "text"
    low, high = found["interval"]
    assert 0 < low < found["value"] < high
    turned = fusion_gain(measure_numbers(truth, views | {"text": good, "both": worse}, 100, 0))
    assert turned["value"] == -found["value"]
    assert turned["over"] == "text"


def test_there_is_no_gain_without_all_three_views() -> None:
    truth, predicted = numbers()
    found = fusion_gain(measure_numbers(truth, {"both": predicted, "mean": predicted}, 20, 0))
    assert found["value"] is None
    assert found["skipped"] == "table, text and both must each have an RMSE"


def test_a_mean_predicted_for_every_row_explains_and_orders_nothing() -> None:
    truth, _ = numbers()
    constant = np.full(len(truth), truth.mean())
    found = with_intervals(measure_numbers(truth, {"mean": constant}, 50, 0)["mean"])
    assert found["rmse"] == pytest.approx(truth.std(), abs=1e-6)
    assert found["r2"] == pytest.approx(0)
    assert found["spearman"] is None
    assert found["spearman_interval"] is None


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.1])
def test_equal_true_numbers_leave_nothing_to_explain_and_give_the_reason(value: float) -> None:
    truth, predicted = np.full(37, value), np.arange(37.0)
    found = with_intervals(measure_numbers(truth, {"both": predicted}, 20, 0)["both"])
    assert found["r2"] is None
    assert found["spearman"] is None
    assert found["rmse"] > 0
    assert "same number" in found["reason"]


def test_a_resample_of_one_number_alone_does_not_count() -> None:
    truth = np.append(np.full(9, 0.3), 7.1)
    found = measure_numbers(truth, {"both": np.linspace(0, 1, 10)}, 200, 0)["both"]
    picks = np.random.default_rng(0).integers(0, 10, size=(200, 10))
    alone = (picks < 9).all(axis=1)
    assert alone.any()
    assert np.isnan(found["r2"][1:]).tolist() == alone.tolist()
    assert np.isnan(found["spearman"][1:]).tolist() == alone.tolist()


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=30))
def test_every_metric_is_in_its_range_or_null(pairs: list[tuple[float, float]]) -> None:
    truth, predicted = np.array(pairs).T
    found = with_intervals(measure_numbers(truth, {"both": predicted}, 20, 0)["both"])
    json.dumps(found, allow_nan=False)
    assert 0 <= found["mae"] <= found["rmse"] + 1e-6
    assert found["r2"] is None or found["r2"] <= 1
    assert found["spearman"] is None or -1 <= found["spearman"] <= 1


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=30, unique=True))
def test_any_increasing_function_of_the_truth_has_the_full_rank_correlation(
    truth: list[int],
) -> None:
    exact = np.array(truth, dtype=np.float64)
    found = measure_numbers(exact, {"both": np.exp(exact / 10)}, 20, 0)["both"]
    known = found["spearman"][~np.isnan(found["spearman"])]
    assert known == pytest.approx(1)
