"""Calibration: probabilities come true as often as they say, and keep their order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from fusemine.tasks.core.pack.pack import pack, unpack
from fusemine.tasks.mine.classify.evaluation.class_metrics import (
    Task,
    measure,
    measure_once,
    with_intervals,
)
from fusemine.tasks.mine.classify.selection.calibrate import (
    Kind,
    calibrate_out_of_fold,
    choose_kind,
    fit_calibrator,
)
from fusemine.tasks.stats.target import Target

Floats = NDArray[np.float64]
KINDS: list[Kind] = ["platt", "isotonic"]


def two(scores: Floats) -> Floats:
    """Probabilities (n, 2) of which the second is given."""
    return np.stack([1 - scores, scores], axis=1)


def too_sure(rows: int = 4000, seed: int = 0) -> tuple[Floats, Target]:
    """Probabilities of two classes whose log odds are twice what they should be, plus 1."""
    random = np.random.default_rng(seed)
    odds = random.normal(-1, 1.5, rows)
    truth = (random.random(rows) < expit(odds)).astype(np.int64)
    return two(expit(2 * odds + 1)), Target(truth, 2)


def several(rows: int = 6000, classes: int = 3, seed: int = 0) -> tuple[Floats, Target]:
    """Probabilities of more classes that are too sure."""
    random = np.random.default_rng(seed)
    odds = random.normal(0, 1, (rows, classes))
    shares = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    truth = (random.random((rows, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    sure = shares**2.5
    return sure / sure.sum(axis=1, keepdims=True), Target(truth, classes)


def error(probabilities: Floats, target: Target) -> float:
    task = Task(target.values, target.classes, 1 if target.classes == 2 else None)
    return measure_once(task, probabilities)["calibration_error"]


@pytest.mark.parametrize("kind", KINDS)
def test_new_rows_come_true_as_often_as_predicted(kind: Kind) -> None:
    calibrator = fit_calibrator(*too_sure(), kind)
    new, target = too_sure(seed=1)
    calibrated = calibrator.apply(new)
    assert error(new, target) > 0.1
    assert error(calibrated, target) < 0.03
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_more_classes_are_calibrated_one_by_one_and_sum_to_one(kind: Kind) -> None:
    calibrator = fit_calibrator(*several(), kind)
    new, target = several(seed=1)
    calibrated = calibrator.apply(new)
    assert error(new, target) > 0.15
    assert error(calibrated, target) < 0.04
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)
    assert len(calibrator.curves) == 3


def test_platts_sigmoid_is_a_logistic_regression_on_his_targets() -> None:
    probabilities, target = too_sure(300)
    (curve,) = fit_calibrator(probabilities, target, "platt").curves
    hits = int(target.values.sum())
    goals = np.where(target.values == 1, (hits + 1) / (hits + 2), 1 / (300 - hits + 2))
    odds = logit(probabilities[:, 1]).reshape(-1, 1)
    doubled, weights = np.vstack([odds, odds]), np.concatenate([goals, 1 - goals])
    line = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    line.fit(doubled, np.repeat([1, 0], 300), sample_weight=weights)
    assert curve is not None
    assert curve == pytest.approx([line.coef_[0, 0], line.intercept_[0]], abs=1e-4)


def test_isotonic_regression_passes_the_centre_of_each_block_at_its_share() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    target = Target(np.array([0, 0, 0, 1, 1, 1]), 2)
    (curve,) = fit_calibrator(two(scores), target, "isotonic").curves
    assert curve is not None
    # With one more positive row at 0.1 and one more negative at 0.6.
    knots = [0, (0.1 + 0.1 + 0.2 + 0.3) / 4, (0.4 + 0.5 + 0.6 + 0.6) / 4, 1]
    np.testing.assert_allclose(curve, [knots, [0.125, 0.25, 0.75, 0.875]])


SCORES = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.5, 1e-300, 1 - 1e-16])
ROWS = st.lists(st.tuples(SCORES, st.booleans()), min_size=2, max_size=40)


@pytest.mark.parametrize("kind", KINDS)
@given(rows=ROWS, new=st.lists(SCORES, min_size=2, max_size=20))
def test_scores_keep_their_order(
    kind: Kind, rows: list[tuple[float, bool]], new: list[float]
) -> None:
    truth = np.array([true for _, true in rows], dtype=np.int64)
    learnt = two(np.array([score for score, _ in rows]))
    calibrator = fit_calibrator(learnt, Target(truth, 2), kind)
    scores = np.unique(new)
    calibrated = calibrator.apply(two(scores))[:, 1]
    assert ((calibrated >= 0) & (calibrated <= 1)).all()
    rises = np.diff(calibrated)
    assert (rises >= -1e-15).all()
    assert (rises[np.diff(scores) > 1e-6] > 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scores", [[0.0, 0.0, 1.0, 1.0], [0.5] * 4, [1.0, 1.0, 0.0, 0.0]])
def test_few_rows_and_extreme_scores_make_no_certain_claim(kind: Kind, scores: list[float]) -> None:
    learnt, target = two(np.array(scores)), Target(np.array([0, 0, 1, 1]), 2)
    calibrated = fit_calibrator(learnt, target, kind).apply(two(np.linspace(0, 1, 11)))
    assert (calibrated > 1e-6).all()
    assert (np.diff(calibrated[:, 1]) > 0).all()


def test_a_probability_of_zero_of_a_positive_row_does_not_spoil_the_sigmoid() -> None:
    probabilities, target = too_sure()
    spoilt = probabilities.copy()
    spoilt[np.flatnonzero(target.values)[0]] = [1.0, 0.0]
    new, new_target = too_sure(seed=1)
    assert error(fit_calibrator(spoilt, target, "platt").apply(new), new_target) < 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_that_the_rows_lack_keeps_its_probabilities(kind: Kind) -> None:
    probabilities, target = too_sure(50)
    one = Target(np.zeros(50, dtype=np.int64), 2)
    np.testing.assert_array_equal(
        fit_calibrator(probabilities, one, kind).apply(probabilities), probabilities
    )
    three = np.hstack([probabilities * 0.9, np.full((50, 1), 0.1)])
    calibrator = fit_calibrator(three, Target(target.values, 3), kind)
    assert [curve is None for curve in calibrator.curves] == [False, False, True]
    np.testing.assert_allclose(calibrator.apply(three).sum(axis=1), 1)


def test_without_calibration_and_for_numbers_nothing_changes() -> None:
    probabilities, target = too_sure(50)
    predicted, numbers = probabilities[:, :1], Target(np.arange(50.0), 0)
    assert fit_calibrator(probabilities, target, "none").apply(probabilities) is probabilities
    assert fit_calibrator(predicted, numbers, "platt").apply(predicted) is predicted


@pytest.mark.parametrize("kind", [*KINDS, "none"])
def test_a_calibrator_survives_storing(kind: Kind) -> None:
    probabilities, target = several(200)
    calibrator = fit_calibrator(probabilities, target, kind)
    restored = unpack(pack(calibrator))
    expected = calibrator.apply(probabilities)
    np.testing.assert_array_equal(restored.apply(probabilities), expected)


def test_auto_takes_a_free_curve_only_where_every_class_has_a_thousand_rows() -> None:
    many = Target(np.repeat([0, 1], [5000, 1000]), 2)
    assert choose_kind("auto", many) == "isotonic"
    assert choose_kind("auto", many.take(np.arange(5999))) == "platt"
    assert choose_kind("auto", Target(many.values, 3)) == "platt"
    assert choose_kind("none", many) == "none"
    assert choose_kind("platt", many) == "platt"
    assert choose_kind("isotonic", Target(np.arange(5.0), 0)) == "none"


@pytest.mark.parametrize("kind", KINDS)
def test_the_classes_of_a_fold_have_no_part_in_its_probabilities(kind: Kind) -> None:
    probabilities, target = too_sure(300)
    fold = np.arange(300) % 3
    turned = Target(np.where(fold == 1, 1 - target.values, target.values), 2)
    before, after = (
        calibrate_out_of_fold(probabilities, labels, fold, kind) for labels in (target, turned)
    )
    np.testing.assert_array_equal(before[fold == 1], after[fold == 1])
    assert not np.allclose(before[fold == 0], after[fold == 0])
    others = fit_calibrator(probabilities[fold != 2], target.take(fold != 2), kind)
    np.testing.assert_array_equal(before[fold == 2], others.apply(probabilities[fold == 2]))


def test_a_fold_without_others_or_with_others_of_one_class_is_left_as_it_is() -> None:
    probabilities, target = too_sure(60)
    alone = calibrate_out_of_fold(probabilities, target, np.zeros(60, dtype=np.int64), "platt")
    np.testing.assert_array_equal(alone, probabilities)
    by_class = calibrate_out_of_fold(probabilities, target, target.values, "isotonic")
    np.testing.assert_array_equal(by_class, probabilities)


def test_calibrated_probabilities_may_have_no_error_and_others_cannot() -> None:
    random = np.random.default_rng(0)
    chances = random.beta(1, 4, 3000)
    task = Task((random.random(3000) < chances).astype(np.int64), 2, 1)
    bounds = []
    for scores in (chances, np.sqrt(chances)):
        views = {"both": two(scores)}
        found = with_intervals(measure(task, views, 200, 0)["both"])
        low, high = found["calibration_error_interval"]
        assert low <= found["calibration_error"] <= high
        bounds.append((low, high))
    assert bounds[0][0] < 0.01
    assert bounds[1][0] > 0.1 > bounds[0][1]
