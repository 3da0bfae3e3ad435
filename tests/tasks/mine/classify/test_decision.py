"""Thresholds, predicted classes, and rows left undecided."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusemine.tasks.mine.classify.decision import (
    Threshold,
    choose_threshold,
    coverage,
    predict_classes,
    predict_names,
)
from fusemine.tasks.mine.classify.settings import Decision

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000000000000001, 0.9, 1.0])
ROWS = st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=25)
COST = st.floats(0.1, 20)


def calibrated(rows: int = 4000, seed: int = 0) -> tuple[Floats, Flags]:
    """Probabilities that come true as often as they say."""
    random = np.random.default_rng(seed)
    chances = random.beta(1, 3, rows)
    return chances, random.random(rows) < chances


def from_costs(wrong: float, missed: float) -> Decision:
    return Decision(false_positive=wrong, false_negative=missed)


def parted(rows: list[tuple[float, bool]]) -> tuple[Floats, Flags]:
    return np.array([score for score, _ in rows]), np.array([true for _, true in rows])


def cost(decision: Decision, cut: float, scores: Floats, truth: Flags) -> float:
    called = scores >= cut
    wrong, missed = np.count_nonzero(called & ~truth), np.count_nonzero(~called & truth)
    return wrong * (decision.false_positive or 0) + missed * (decision.false_negative or 0)


@given(ROWS, COST, COST)
def test_no_threshold_costs_less(
    rows: list[tuple[float, bool]], wrong: float, missed: float
) -> None:
    scores, truth = parted(rows)
    decision = from_costs(wrong, missed)
    chosen = choose_threshold(decision, scores, truth).value
    if 0 < truth.sum() < len(truth):
        least = min(cost(decision, cut, scores, truth) for cut in [*scores, 2.0])
        assert cost(decision, chosen, scores, truth) == pytest.approx(least)


def test_of_calibrated_probabilities_the_threshold_is_near_the_share_of_the_costs() -> None:
    scores, truth = calibrated(20_000)
    assert choose_threshold(from_costs(1, 4), scores, truth).value == pytest.approx(0.2, abs=0.05)
    assert choose_threshold(from_costs(2, 2), scores, truth).value == pytest.approx(0.5, abs=0.05)


def test_probabilities_that_are_too_low_get_a_lower_threshold_than_by_the_costs() -> None:
    scores, truth = calibrated(20_000)
    found = choose_threshold(from_costs(1, 1), scores / 2, truth)
    assert found.value == pytest.approx(0.25, abs=0.03)
    assert "costs least" in found.description
    assert "one half would cost" in found.description


def test_where_the_rows_leave_it_open_the_costs_decide() -> None:
    scores, truth = np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True])
    assert choose_threshold(from_costs(1, 3), scores, truth).value == 0.25
    assert choose_threshold(from_costs(1, 19), scores, truth).value == pytest.approx(0.5)


def test_no_row_is_called_positive_where_that_would_cost_more() -> None:
    scores, truth = np.array([1.0, 1.0, 1.0, 0.5]), np.array([True, False, False, False])
    found = choose_threshold(from_costs(10, 1), scores, truth)
    assert found.value > 1
    assert found.description.startswith("No row is called positive:")


@given(ROWS, st.floats(0.05, 0.95))
def test_a_precision_is_reached_with_the_lowest_score_that_reaches_it(
    rows: list[tuple[float, bool]], wanted: float
) -> None:
    scores, truth = parted(rows)
    if not 0 < truth.sum() < len(truth):
        return
    found = choose_threshold(Decision(precision=wanted), scores, truth)
    reached = {cut: float(truth[scores >= cut].mean()) for cut in scores.tolist()}
    enough = [cut for cut, precision in reached.items() if precision >= wanted]
    if enough:
        assert found.value == min(enough)
    else:
        assert reached[found.value] == max(reached.values())
        assert found.description.startswith("No threshold reaches a precision of")


def test_a_precision_is_described_with_its_recall() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.1])
    truth = np.array([True, True, False, True, False])
    found = choose_threshold(Decision(precision=0.7), scores, truth)
    assert found == Threshold(
        0.6,
        "A row is called positive from a probability of 0.6 on: 75.0% of the training rows called "
        "positive are, predicted out of fold, and 100.0% of the positive rows are found.",
    )


@pytest.mark.parametrize("truth", [[], [True, True], [False]])
def test_rows_of_one_class_leave_the_threshold_to_the_costs(truth: list[bool]) -> None:
    scores = np.full(len(truth), 0.3)
    flags = np.array(truth, dtype=bool)
    found = choose_threshold(from_costs(1, 9), scores, flags)
    assert found.value == pytest.approx(0.1)
    assert "not rows of both classes" in found.description
    assert choose_threshold(Decision(precision=0.9), scores, flags).value == 0.5


def test_the_positive_class_is_called_from_the_threshold_on() -> None:
    probabilities = np.array([[0.7, 0.3], [0.71, 0.29], [0.1, 0.9]])
    assert predict_classes(probabilities, 1, 0.3).tolist() == [1, 0, 1]
    assert predict_classes(probabilities, 1, None).tolist() == [0, 0, 1]
    assert predict_classes(probabilities, 0, 0.1).tolist() == [0, 0, 0]
    assert predict_classes(probabilities, 0, 0.95).tolist() == [1, 1, 1]


def test_below_the_threshold_the_likeliest_of_the_other_classes_is_called() -> None:
    probabilities = np.array([[0.5, 0.2, 0.3], [0.4, 0.5, 0.1]])
    assert predict_classes(probabilities, 0, 0.6).tolist() == [2, 1]


def test_rows_are_called_by_name_and_unsure_ones_are_left_out() -> None:
    probabilities = np.array([[0.8, 0.2], [0.55, 0.45], [0.4, 0.6]])
    names = ["no", "yes"]
    assert predict_names(probabilities, names) == ["no", "no", "yes"]
    assert predict_names(probabilities, names, 1, 0.2) == ["yes", "yes", "yes"]
    assert predict_names(probabilities, names, abstain=0.6) == ["no", None, "yes"]
    assert predict_names(probabilities, names, 1, 0.2, abstain=0.6) == ["yes", None, "yes"]
    assert predict_names(np.empty((0, 2)), names, abstain=0.6) == []


def test_rows_left_undecided_buy_accuracy() -> None:
    scores, truth = calibrated()
    probabilities = np.stack([1 - scores, scores], axis=1)
    labels = ["yes" if true else "no" for true in truth]
    every, sure = (
        coverage(labels, predict_names(probabilities, ["no", "yes"], abstain=least))
        for least in (None, 0.8)
    )
    assert every["share"] == 1
    assert every["rows"] == sure["rows"] == 4000
    assert 0.2 < sure["share"] < 0.8
    assert sure["accuracy"] > every["accuracy"] + 0.05


def test_coverage_counts_the_rows_decided_and_is_null_without_any() -> None:
    found = coverage(["a", "b", "b", "a"], ["a", None, "a", None])
    assert found == {"rows": 4, "decided": 2, "share": 0.5, "accuracy": 0.5}
    none = coverage(["a"], [None])
    assert (none["share"], none["accuracy"]) == (0, None)
    assert coverage([], []) == {"rows": 0, "decided": 0, "share": None, "accuracy": None}
    json.dumps(found, allow_nan=False)
    with pytest.raises(ValueError, match="longer"):
        coverage(["a", "b"], ["a"])
