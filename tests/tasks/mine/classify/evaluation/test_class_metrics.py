"""Metrics, their intervals, and what a report draws."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics
from support.present import present

from fusemine.tasks.mine.classify.evaluation.class_metrics import (
    METRICS,
    Task,
    bootstrap_interval,
    calibration_curve,
    confusion_matrix,
    fusion_gain,
    measure,
    measure_once,
    precision_recall_curve,
    with_intervals,
)

Floats = NDArray[np.float64]


def binary(rows: int = 300, signal: float = 2.0, seed: int = 0) -> tuple[Task, Floats]:
    """A task of two classes, and probabilities that know something; many of them are equal."""
    random = np.random.default_rng(seed)
    truth = (random.random(rows) < 0.3).astype(np.int64)
    known = 1 / (1 + np.exp(-(signal * (truth - 0.5) + random.normal(size=rows))))
    positive = np.round(known, 1)
    return Task(truth, 2, 1), np.stack([1 - positive, positive], axis=1)


def several(rows: int = 300, classes: int = 4, seed: int = 0) -> tuple[Task, Floats]:
    """A task of more classes, and probabilities that know something."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows)
    known = random.gamma(1.0, size=(rows, classes))
    known[np.arange(rows), truth] += 1
    return Task(truth, classes, None), known / known.sum(axis=1, keepdims=True)


def values(task: Task, probabilities: Floats) -> dict[str, float]:
    """The metrics of the rows themselves."""
    found = measure(task, {"both": probabilities}, 20, 0)["both"]
    assert tuple(found) == METRICS
    return {name: float(drawn[0]) for name, drawn in found.items()}


def expected_error(confidence: Floats, true: NDArray[np.bool_]) -> float:
    """The expected calibration error as its definition says, bin by bin."""
    place = np.minimum(np.floor(confidence * 10), 9)
    bins = [place == k for k in range(10) if (place == k).any()]
    gaps = [abs(confidence[rows].mean() - true[rows].mean()) * rows.mean() for rows in bins]
    return float(np.sum(gaps))


def test_binary_metrics_are_those_of_scikit_learn() -> None:
    task, probabilities = binary()
    truth, score, called = task.truth, probabilities[:, 1], probabilities.argmax(axis=1)
    expected = {
        "average_precision": metrics.average_precision_score(truth, score),
        "roc_auc": metrics.roc_auc_score(truth, score),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, called),
        "accuracy": metrics.accuracy_score(truth, called),
        "precision": metrics.precision_score(truth, called),
        "recall": metrics.recall_score(truth, called),
        "f1": metrics.f1_score(truth, called),
        "log_loss": metrics.log_loss(truth, probabilities),
        "brier": metrics.brier_score_loss(truth, score),
        "calibration_error": expected_error(score, truth == 1),
    }
    assert values(task, probabilities) == pytest.approx(expected)


def test_metrics_of_more_classes_are_averages_over_them() -> None:
    task, probabilities = several()
    truth, called = task.truth, probabilities.argmax(axis=1)
    each = np.eye(4)[truth]
    average: dict[str, Any] = {"average": "macro"}
    expected = {
        "average_precision": metrics.average_precision_score(each, probabilities, **average),
        "roc_auc": metrics.roc_auc_score(truth, probabilities, multi_class="ovr", **average),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, called),
        "accuracy": metrics.accuracy_score(truth, called),
        "precision": metrics.precision_score(truth, called, **average),
        "recall": metrics.recall_score(truth, called, **average),
        "f1": metrics.f1_score(truth, called, **average),
        "log_loss": metrics.log_loss(truth, probabilities),
        "brier": np.square(each - probabilities).sum(axis=1).mean() / 2,
        "calibration_error": expected_error(probabilities.max(axis=1), called == truth),
    }
    assert values(task, probabilities) == pytest.approx(expected)


def test_the_first_class_can_be_the_positive_one() -> None:
    task, probabilities = binary()
    probabilities = np.abs(probabilities - [0.01, 0])  # no ties, which go to the first class
    turned = Task(1 - task.truth, 2, 0)
    assert values(turned, probabilities[:, ::-1]) == pytest.approx(values(task, probabilities))


def test_classes_that_the_test_rows_lack_are_not_averaged() -> None:
    task, probabilities = several(classes=3)
    wider = np.hstack([probabilities, np.zeros((len(probabilities), 2))])
    expected = values(task, probabilities)
    assert values(Task(task.truth, 5, None), wider) == pytest.approx(expected)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 1.0])), min_size=1))
def test_every_metric_is_a_share_or_null(rows: list[tuple[bool, float]]) -> None:
    positive = np.array([score for _, score in rows])
    task = Task(np.array([truth for truth, _ in rows], dtype=np.int64), 2, 1)
    probabilities = np.stack([1 - positive, positive], axis=1)
    found = with_intervals(measure(task, {"both": probabilities}, 20, 0)["both"])
    json.dumps(found, allow_nan=False)
    shares = [found[name] for name in METRICS if name != "log_loss"]
    assert all(share is None or 0 <= share <= 1 for share in shares)


def test_intervals_hold_the_value_and_narrow_with_the_rows() -> None:
    widths = []
    for rows in (200, 5000):
        task, probabilities = binary(rows)
        found = with_intervals(measure(task, {"both": probabilities}, 200, 0)["both"])
        for name in METRICS:
            low, high = found[f"{name}_interval"]
            assert low <= found[name] <= high
        widths.append(np.diff(found["roc_auc_interval"])[0])
    assert widths[1] < widths[0] / 3


def test_resamples_are_drawn_as_many_as_asked_but_fewer_of_a_large_table() -> None:
    task, probabilities = binary(100)
    assert len(measure(task, {"both": probabilities}, 77, 0)["both"]["f1"]) == 78
    large, wide = binary(200_000)
    assert len(measure(large, {"both": wide}, 5000, 0)["both"]["f1"]) == 76


def test_a_test_part_of_one_class_has_no_ranking_and_the_reason() -> None:
    _, probabilities = binary(50)
    task = Task(np.zeros(50, dtype=np.int64), 2, 1)
    found = with_intervals(measure(task, {"both": probabilities}, 20, 0)["both"])
    assert found["average_precision"] is None
    assert found["roc_auc"] is None
    assert found["average_precision_interval"] is None
    assert found["accuracy"] > 0
    assert "one class" in found["reason"]
    assert precision_recall_curve(task, probabilities) is None


def test_a_resample_that_lacks_a_class_does_not_count() -> None:
    task, probabilities = binary(40)
    rare = Task((np.arange(40) == 3).astype(np.int64), 2, 1)
    found = measure(rare, {"both": probabilities}, 200, 0)["both"]
    assert np.isnan(found["average_precision"]).any()
    assert np.isnan(found["recall"]).any()
    assert with_intervals(found)["average_precision_interval"] is not None
    assert not np.isnan(measure(task, {"both": probabilities}, 200, 0)["both"]["recall"]).any()


def test_a_view_that_is_not_better_has_a_gain_of_nothing() -> None:
    task, probabilities = binary()
    flat = np.full_like(probabilities, 0.5)
    views = {"table": flat, "text": probabilities, "both": probabilities}
    expected = {"skipped": None, "value": 0.0, "interval": [0.0, 0.0], "over": "text"}
    assert fusion_gain(measure(task, views, 50, 0)) == expected


def test_the_gain_is_over_the_better_view_and_paired() -> None:
    (task, strong), (_, weak) = binary(2000, signal=3), binary(2000, signal=1)
    found = fusion_gain(measure(task, {"table": weak, "text": weak / 2, "both": strong}, 100, 0))
    assert found["over"] == "table"
    low, high = found["interval"]
    assert 0 < low < found["value"] < high


def test_there_is_no_gain_without_all_three_views() -> None:
    task, probabilities = binary()
    found = fusion_gain(measure(task, {"text": probabilities}, 20, 0))
    assert found["value"] is None
    assert "table, text and both" in found["skipped"]


def test_the_confusion_matrix_counts_every_row_once() -> None:
    task, probabilities = several()
    expected = metrics.confusion_matrix(task.truth, probabilities.argmax(axis=1)).tolist()
    assert confusion_matrix(task, probabilities) == expected


def test_the_curve_is_thin_and_ends_with_every_positive_row_found() -> None:
    random = np.random.default_rng(0)
    truth, score = random.integers(0, 2, 5000), random.random(5000)
    task = Task(truth, 2, 1)
    curve = present(precision_recall_curve(task, np.stack([1 - score, score], axis=1)))
    assert 100 < len(curve["recall"]) == len(curve["precision"]) == len(curve["threshold"]) <= 200
    assert curve["recall"] == sorted(curve["recall"])
    assert curve["recall"][-1] == 1
    assert curve["threshold"] == sorted(curve["threshold"], reverse=True)
    called = score >= curve["threshold"][50] - 1e-6
    assert curve["precision"][50] == pytest.approx(metrics.precision_score(truth, called), abs=1e-3)


def test_calibration_bins_hold_every_row_and_empty_ones_are_null() -> None:
    task, probabilities = binary()
    bins = present(calibration_curve(task, probabilities))
    assert [(b["from"], b["to"]) for b in bins[:2]] == [(0.0, 0.1), (0.1, 0.2)]
    assert sum(int(b["rows"] or 0) for b in bins) == 300
    sure = calibration_curve(Task(np.array([1, 1, 0]), 2, 1), np.array([[0, 1], [0, 1], [0, 1.0]]))
    assert sure is not None
    assert sure[-1]["mean_probability"] == 1
    assert sure[-1]["share_positive"] == pytest.approx(2 / 3, abs=1e-6)
    assert sure[0]["rows"] == 0
    assert sure[0]["mean_probability"] is None


def test_more_classes_have_neither_curve_nor_calibration() -> None:
    task, probabilities = several()
    assert precision_recall_curve(task, probabilities) is None
    assert calibration_curve(task, probabilities) is None


def test_a_resample_is_measured_as_if_its_rows_stood_in_the_table() -> None:
    task, probabilities = binary(60)
    found = measure(task, {"both": probabilities}, 20, 3)["both"]
    random = np.random.default_rng(3)
    picks = random.integers(0, 60, size=(20, 60))
    for draw, pick in enumerate(picks, start=1):
        drawn = measure_once(Task(task.truth[pick], 2, 1), probabilities[pick])
        assert {name: found[name][draw] for name in METRICS} == pytest.approx(drawn, nan_ok=True)


def test_decisions_follow_the_threshold_and_rankings_do_not() -> None:
    task, probabilities = binary()
    called = probabilities[:, 1] >= 0.3
    lower = Task(task.truth, 2, 1, threshold=0.3)
    at_half, found = values(task, probabilities), values(lower, probabilities)
    expected = {
        "accuracy": metrics.accuracy_score(task.truth, called),
        "balanced_accuracy": metrics.balanced_accuracy_score(task.truth, called),
        "precision": metrics.precision_score(task.truth, called),
        "recall": metrics.recall_score(task.truth, called),
        "f1": metrics.f1_score(task.truth, called),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["recall"] > at_half["recall"]
    others = [name for name in METRICS if name not in expected]
    assert [found[name] for name in others] == [at_half[name] for name in others]
    matrix = metrics.confusion_matrix(task.truth, called)
    assert confusion_matrix(lower, probabilities) == matrix.tolist()


def test_a_variant_that_predicts_the_base_rate_for_every_row_ranks_as_chance_does() -> None:
    for task, known in (binary(), several()):
        shares = np.bincount(task.truth, minlength=task.classes) / len(task.truth)
        constant = np.tile(shares, (len(task.truth), 1))
        found = measure(task, {"majority": constant, "both": known}, 50, 0)["majority"]
        base_rate = np.mean(shares[task.ranked])
        assert found["average_precision"][0] == pytest.approx(base_rate)
        assert found["roc_auc"] == pytest.approx(0.5)
        assert with_intervals(found)["roc_auc_interval"] == [0.5, 0.5]
        assert found["accuracy"][0] == pytest.approx(shares.max())


def test_further_variants_do_not_change_the_gain() -> None:
    task, probabilities = binary()
    views = {"table": probabilities, "text": probabilities / 2, "both": probabilities}
    more = {"majority": np.full_like(probabilities, 0.5), **views, "late": probabilities}
    assert fusion_gain(measure(task, more, 50, 0)) == fusion_gain(measure(task, views, 50, 0))


def test_an_upward_bias_is_taken_out_of_an_interval() -> None:
    drawn = np.array([0.2, *np.linspace(0.2, 0.3, 41)])
    assert bootstrap_interval(drawn) == pytest.approx([0.2025, 0.2975])
    assert bootstrap_interval(drawn, biased=True) == pytest.approx([0.1025, 0.2])
    assert bootstrap_interval(drawn - 0.15, biased=True) == pytest.approx([0, 0.05])
