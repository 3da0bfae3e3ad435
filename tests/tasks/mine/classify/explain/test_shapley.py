"""What columns add to a prediction: Shapley values that add up and cost a bounded time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.explained import BINARY, NUMBER, counted, has, made, model, total, weighed, wide

from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.classify.explain.explain import explain_rows
from fusemine.tasks.mine.classify.explain.importance import BATCH
from fusemine.tasks.mine.classify.explain.shapley import (
    BACKGROUND,
    MAX_PREDICTIONS,
    ExplainedOutput,
    shapley_values,
)
from fusemine.tasks.stats.sampling import evenly_spaced


@pytest.mark.parametrize("columns", [2, 9])
def test_contributions_add_up_to_the_prediction(columns: int) -> None:
    extra = {f"category.k{i}": made(seed=i).clean["category.sky"] for i in range(columns - 2)}
    rows = made(**extra)
    predict = model(rows, has(rows, "gull"))
    some = rows.take(np.array([3, 50, 50]))
    explained = explain_rows(predict, some, rows, BINARY)
    predictions = BINARY.values(predict(some), np.array([1, 1, 1]))
    background = predict(rows.take(evenly_spaced(len(rows), BACKGROUND)))
    base = BINARY.values(background, np.ones(BACKGROUND, dtype=np.intp)).mean()
    for found, prediction in zip(explained, predictions, strict=True):
        assert found.prediction == pytest.approx(prediction)
        assert found.base == pytest.approx(base)
        assert total(found) == pytest.approx(found.prediction)
    assert explained[1].to_json() == explained[2].to_json()


@given(st.integers(0, 10_000))
@settings(max_examples=10)
def test_contributions_add_up_for_any_rows(seed: int) -> None:
    rows = made(30, seed)
    label = has(rows, "gull") if 0 < has(rows, "gull").sum() < 30 else np.arange(30) % 2
    for found in explain_rows(model(rows, label), rows.take(np.array([0, 7])), rows, BINARY):
        assert total(found) == pytest.approx(found.prediction)


@pytest.mark.parametrize("columns", [1, 3, 12])
def test_of_a_linear_model_the_contributions_are_known(columns: int) -> None:
    rows, weights = wide(columns), np.arange(1.0, columns + 1)
    some = rows.take(np.array([1, 2]))
    first = np.zeros(2, dtype=np.intp)
    base, contributions = shapley_values(weighed(*weights), some, rows, NUMBER, first)
    mean = rows.take(evenly_spaced(len(rows), BACKGROUND)).numbers.mean(axis=0)
    np.testing.assert_allclose(base, np.tile(mean @ weights, 2))
    np.testing.assert_allclose(contributions[:, 0], 0, atol=1e-12)  # there is no text
    np.testing.assert_allclose(contributions[:, 1:], (some.numbers - mean) * weights, atol=1e-12)


@pytest.mark.parametrize("columns", [2, 12])
def test_the_joint_effect_of_two_columns_is_shared_between_them(columns: int) -> None:
    rows = wide(columns)
    one = rows.take(np.array([5]))
    both = lambda some: some.numbers[:, :1] * some.numbers[:, 1:2]  # noqa: E731
    _, contributions = shapley_values(both, one, rows, NUMBER, np.zeros(1, dtype=np.intp))
    x, background = one.numbers[0], rows.take(evenly_spaced(len(rows), BACKGROUND)).numbers
    a, b = background[:, 0], background[:, 1]
    first = ((x[0] * b - a * b).mean() + (x[0] * x[1] - a * x[1]).mean()) / 2
    assert contributions[0, 1] == pytest.approx(first)
    np.testing.assert_allclose(contributions[0, 3:], 0, atol=1e-12)


def test_the_same_seed_gives_the_same_bits_and_leaves_global_random_numbers_alone() -> None:
    rows = wide(12)
    predict = lambda some: np.abs(some.numbers).prod(axis=1, keepdims=True)  # noqa: E731
    np.random.seed(5)
    before = np.random.get_state()[1].tolist()
    runs = [explain_rows(predict, rows.take(np.arange(2)), rows, NUMBER, seed=3) for _ in "ab"]
    assert runs[0] == runs[1]
    assert np.random.get_state()[1].tolist() == before
    assert explain_rows(predict, rows.take(np.arange(2)), rows, NUMBER, seed=4) != runs[0]


def test_six_rows_cost_few_calls_and_a_bounded_number_of_predictions() -> None:
    for columns in (3, 13, 90):
        rows = wide(columns)
        predict, calls = counted(weighed(*np.ones(columns)))
        explain_rows(predict, rows.take(np.arange(6)), rows, NUMBER)
        assert sum(calls) <= 6 * MAX_PREDICTIONS * 1.1 + 12
        assert len(calls) <= 12
        assert max(calls) <= BATCH


def test_the_background_is_drawn_from_the_training_rows_alone() -> None:
    rows = wide(3)
    explained, training = rows.take(np.arange(5)), rows.take(np.arange(5, 60))
    seen: list[float] = []

    def predict(some: Rows) -> np.ndarray:
        seen.extend(some.numbers[:, 1].tolist())
        return some.numbers[:, :1]

    explain_rows(predict, explained.take(np.array([0])), training, NUMBER)
    allowed = {*training.numbers[:, 1].tolist(), explained.numbers[0, 1]}
    assert set(seen) <= allowed


def test_of_many_classes_the_likeliest_of_each_row_is_explained() -> None:
    rows = made()
    label = np.array([["clear", "cloud", "fog"].index(sky) for sky in rows.clean["category.sky"]])
    predict = model(rows, label, "categories")
    names = ExplainedOutput(("a", "b", "c"))
    explained = explain_rows(predict, rows.take(np.arange(9)), rows, names)
    assert [found.output for found in explained] == ["abc"[code] for code in label[:9]]
    for found in explained:
        assert found.scale == "log-odds"
        assert found.features[0].name == "sky"
        assert found.features[0].contribution > 0
        assert total(found) == pytest.approx(found.prediction)


def test_certain_probabilities_have_finite_log_odds() -> None:
    rows = made()
    certain = lambda some: np.eye(2)[(some.numbers[:, 0] > 1000).astype(int)]  # noqa: E731
    for found in explain_rows(certain, rows.take(np.arange(4)), rows, BINARY):
        assert found.features[0].name == "height"
        assert np.isfinite(total(found))
