"""The model on the levels of categories, and which of them are flagged."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn import metrics

from fusemine.tasks.mine.classify.evaluation.class_metrics import Task
from fusemine.tasks.mine.classify.evaluation.groups import metrics_by_group

Floats = NDArray[np.float64]


def table(**columns: Any) -> pl.DataFrame:
    return pl.DataFrame({f"category.{name}": levels for name, levels in columns.items()})


def binary(rows: int = 3000, seed: int = 0) -> tuple[Task, Floats, Floats]:
    """A task of two classes, calibrated log odds, and their probabilities."""
    random = np.random.default_rng(seed)
    odds = random.normal(-0.5, 1.5, rows)
    return Task((random.random(rows) < expit(odds)).astype(np.int64), 2, 1), odds, two(odds)


def two(odds: Floats) -> Floats:
    return np.stack([expit(-odds), expit(odds)], axis=1)


def drawn(names: list[str], rows: int, seed: int = 1) -> NDArray[Any]:
    """A level for each row, at random."""
    return np.random.default_rng(seed).choice(names, rows)


def levels_of(levels: Any, truth: Any, predicted: Floats) -> list[dict[str, Any]]:
    """The figures of each level of a column, after what must hold of every result."""
    found = metrics_by_group(table(state=levels), ["state"], truth, predicted)
    json.dumps(found, allow_nan=False)
    (column,) = found
    for level in column["levels"]:
        assert level["flagged"] == (level["why"] is not None)
        for name in [name for name in level if name.endswith("_interval")]:
            low, high = level[name]
            assert low <= level[name.removesuffix("_interval")] <= high
    return list(column["levels"])


def test_figures_of_a_level_are_those_of_its_rows() -> None:
    task, _, probabilities = binary()
    task = Task(task.truth, 2, 1, threshold=0.4)
    states = drawn(["CA", "TX", "TX"], 3000)
    levels = levels_of(states, task, probabilities)
    assert [level["level"] for level in levels] == ["TX", "CA"]
    for level in levels:
        rows = states == level["level"]
        truth, score = task.truth[rows], probabilities[rows, 1]
        rest = ~rows & (task.truth == 1)
        recall = metrics.recall_score(truth, score >= 0.4)
        expected = {
            "rows": rows.sum(),
            "base_rate": truth.mean(),
            "average_precision": metrics.average_precision_score(truth, score),
            "recall": recall,
            "recall_difference": recall - (probabilities[rest, 1] >= 0.4).mean(),
            "false_positive_rate": (score[truth == 0] >= 0.4).mean(),
            "calibration_gap": score.mean() - truth.mean(),
        }
        assert {name: level[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_a_level_whose_probabilities_are_too_high_is_flagged_and_no_other() -> None:
    task, odds, _ = binary(6000)
    states = drawn([f"l{k}" for k in range(10)], 6000)
    probabilities = two(odds + np.where(states == "l7", 1.2, 0.0))
    levels = levels_of(states, task, probabilities)
    (flagged,) = [level for level in levels if level["flagged"]]
    assert flagged["level"] == "l7"
    assert flagged["calibration_gap"] > 0.1
    assert "come true" in flagged["why"]
    assert "of the negative rows are called positive" in flagged["why"]


def test_a_level_that_is_better_than_elsewhere_is_not_flagged_for_it() -> None:
    task, _, probabilities = binary(6000)
    states = drawn(["CA", "TX"], 6000)
    right = np.eye(2)[task.truth] * 0.98 + 0.01
    mixed = np.where((states == "CA")[:, None], right, probabilities)
    levels = sorted(levels_of(states, task, mixed), key=lambda level: level["level"])
    california, texas = levels
    assert california["recall_difference"] == -texas["recall_difference"] > 0.1
    assert not california["flagged"]
    assert texas["flagged"]


def test_a_level_whose_positive_rows_are_missed_is_flagged() -> None:
    task, odds, _ = binary()
    states = drawn(["CA", "TX", "NY"], 3000)
    probabilities = two(np.where(states == "CA", -0.5, odds))
    levels = levels_of(states, task, probabilities)
    (missed,) = [level for level in levels if level["level"] == "CA"]
    assert missed["recall"] == 0
    assert missed["recall_difference_interval"][1] < -0.1
    assert missed["why"].startswith("0.0% of the positive rows are found, and ")


@pytest.mark.parametrize("seed", range(5))
def test_levels_drawn_at_random_are_not_flagged(seed: int) -> None:
    task, _, probabilities = binary(2000, seed)
    columns = {name: drawn([f"l{i}" for i in range(20)], 2000, k) for k, name in enumerate("ab")}
    found = metrics_by_group(table(**columns), ["a", "b"], task, probabilities)
    flagged = [level for column in found for level in column["levels"] if level["flagged"]]
    assert sum(len(column["levels"]) for column in found) == 40
    assert not flagged


def test_a_gap_too_small_to_matter_is_not_flagged_however_sure_it_is() -> None:
    task, odds, _ = binary(60_000)
    states = drawn(["CA", "TX"], 60_000)
    probabilities = two(odds + 0.2)
    for level in levels_of(states, task, probabilities):
        assert level["calibration_gap_interval"][0] > 0
        assert not level["flagged"]


def test_small_and_one_sided_levels_are_left_out_and_counted() -> None:
    task, _, probabilities = binary(200)
    states = np.full(200, "big", dtype=object)
    states[:19] = "small"
    ones = np.flatnonzero(task.truth == 1)
    states[ones[ones > 100][:30]] = "positive"
    (found,) = metrics_by_group(table(state=states), ["state"], task, probabilities)
    assert [level["level"] for level in found["levels"]] == ["big"]
    assert found["left_out"] == {"levels": 2, "rows": 49}


def test_at_most_thirty_levels_are_compared_those_with_most_rows() -> None:
    names = [f"l{k:02}" for k in range(40) for _ in range(30 + k)]
    task, _, probabilities = binary(len(names))
    (found,) = metrics_by_group(table(k=names), ["k"], task, probabilities)
    assert [level["level"] for level in found["levels"]] == [f"l{k:02}" for k in range(39, 9, -1)]
    assert found["left_out"] == {"levels": 10, "rows": sum(30 + k for k in range(10))}


def test_null_is_a_level_and_hostile_names_are_only_names() -> None:
    task, _, probabilities = binary(400)
    names = [None, "<script>", "a\x00", "a"]
    clean = table(k=[names[i % 4] for i in range(400)])
    (found,) = metrics_by_group(clean, ["k"], task, probabilities)
    levels = ["(missing)", "<script>", "a", "a\x00"]
    assert [level["level"] for level in found["levels"]] == levels
    assert [level["rows"] for level in found["levels"]] == [100] * 4


def test_a_column_that_is_not_there_or_has_no_large_level_is_skipped_with_the_reason() -> None:
    task, _, probabilities = binary(100)
    levels = [f"l{i}" for i in range(100)]
    missing, small = metrics_by_group(table(k=levels), ["state", "k"], task, probabilities)
    assert missing["skipped"] == "there is no category column 'state'"
    assert missing["levels"] == small["levels"] == []
    assert "no level has 20 test rows" in small["skipped"]
    assert metrics_by_group(table(k=levels), [], task, probabilities) == []


def test_a_level_of_all_rows_has_nothing_to_differ_from() -> None:
    task, _, probabilities = binary(100)
    (level,) = levels_of(["all"] * 100, task, probabilities)
    assert "recall_difference" not in level
    assert level["calibration_gap"] is not None
    assert level["recall"] > 0


def test_more_classes_are_compared_in_accuracy() -> None:
    random = np.random.default_rng(0)
    truth, states = random.integers(0, 3, 3000), drawn(["CA", "TX", "NY"], 3000)
    known = random.gamma(1.0, size=(3000, 3))
    known[np.arange(3000), truth] += np.where(states == "NY", 0.0, 2.0)
    probabilities, task = known / known.sum(axis=1, keepdims=True), Task(truth, 3, None)
    levels = levels_of(states, task, probabilities)
    (new_york,) = [level for level in levels if level["level"] == "NY"]
    rows = states == "NY"
    right = probabilities.argmax(axis=1) == truth
    assert new_york["accuracy"] == pytest.approx(right[rows].mean(), abs=1e-6)
    assert new_york["calibration_gap"] == pytest.approx(
        probabilities[rows].max(axis=1).mean() - right[rows].mean(), abs=1e-6
    )
    assert new_york["flagged"]
    assert "of the rows are classified correctly" in new_york["why"]
    assert "recall" not in new_york


def test_numbers_are_compared_by_their_mean_error() -> None:
    random = np.random.default_rng(0)
    truth, states = random.normal(100, 10, 900), drawn(["CA", "TX", "NY"], 900)
    predicted = truth + random.normal(0, 3, 900) - np.where(states == "TX", 4.0, 0.0)
    levels = levels_of(states, truth, predicted.reshape(-1, 1))
    (texas,) = [level for level in levels if level["flagged"]]
    rows = states == "TX"
    assert texas["level"] == "TX"
    assert texas["mean_error"] == pytest.approx((predicted - truth)[rows].mean(), abs=1e-6)
    assert texas["rmse"] == pytest.approx(
        metrics.root_mean_squared_error(truth[rows], predicted[rows]), abs=1e-6
    )
    assert "too low on average" in texas["why"]


def test_predictions_that_are_all_off_by_the_same_have_an_interval_of_no_width() -> None:
    truth = np.arange(40.0)
    for off, flagged in ((0.0, False), (8.0, True)):
        (level,) = levels_of(["all"] * 40, truth, truth + off)
        assert level["mean_error_interval"] == [off, off]
        assert level["flagged"] == flagged
