"""Networks on dense blocks: what they learn, what holds of them, and what they leave alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemine.tasks.core.pack.pack import pack, unpack
from fusemine.tasks.mine.classify.learners.architectures import (
    Gate,
    block_gates,
    fit_gated,
    fit_tabm,
)
from fusemine.tasks.mine.classify.learners.network import (
    CLIP,
    Blocks,
    Network,
    fit_output_meaning,
    fit_scaling,
)
from fusemine.tasks.mine.classify.learners.network_training import (
    Examples,
    TrainingConfig,
    held_out,
    train,
)
from fusemine.tasks.stats.fixed_batches import SIZES
from fusemine.tasks.stats.target import Floats, Target

Fit = Callable[..., Network[Any]]


def fitted(
    fit: Fit, blocks: Blocks, target: Target, weights: Any = None, steps: int = 3000, **more: Any
) -> Network[Any]:
    """A network that was trained on all rows."""
    return fit(Examples(blocks, target, weights), max_steps=steps, **more)


gated = partial(fitted, fit_gated)
both = pytest.mark.parametrize("fit", [partial(fitted, fit_tabm), gated], ids=["tabm", "gated"])


def normal(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def made(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Independent noise, as vectors of texts and as numbers."""
    return {"text": normal(rows, 12, seed), "numbers": normal(rows, 4, seed + 1000)}


def classes(values: Any, count: int = 2) -> Target:
    return Target(np.asarray(values).astype(np.int64), count)


def accuracy(found: Floats, target: Target) -> float:
    return float((found.argmax(axis=1) == target.values).mean())


def crossed(blocks: Mapping[str, np.ndarray]) -> Target:
    """A class that neither block shows alone."""
    return classes(blocks["text"][:, 0] * blocks["numbers"][:, 0] > 0)


@both
def test_an_interaction_of_text_and_table_is_learnt(fit: Fit) -> None:
    blocks, others = made(800), made(400, seed=1)
    found = fit(blocks, crossed(blocks)).predict(others)
    assert accuracy(found, crossed(others)) > 0.7


@both
def test_numbers_are_predicted_in_their_own_scale(fit: Fit) -> None:
    def target(blocks: Mapping[str, np.ndarray]) -> Target:
        signal = blocks["text"][:, 0] + blocks["numbers"][:, 0]
        return Target(1e6 + 5e4 * signal.astype(np.float64), 0)

    blocks, others = made(500), made(300, seed=1)
    found, truth = fit(blocks, target(blocks), steps=250).predict(others), target(others).values
    assert found.shape == (300, 1)
    assert found.dtype == np.float64
    assert np.square(found[:, 0] - truth).mean() < 0.15 * truth.var()


@both
def test_three_classes_are_learnt(fit: Fit) -> None:
    def target(blocks: Mapping[str, np.ndarray]) -> Target:
        return classes(np.digitize(blocks["text"][:, 0] + blocks["numbers"][:, 0], [-0.6, 0.6]), 3)

    blocks, others = made(500), made(300, seed=1)
    found = fit(blocks, target(blocks), steps=250).predict(others)
    assert accuracy(found, target(others)) > 0.8
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)


@both
def test_a_class_that_was_not_seen_has_probability_zero(fit: Fit) -> None:
    blocks = made(120)
    codes = np.array([1, 3])[crossed(blocks).values]
    found = fit(blocks, classes(codes, 5), steps=20).predict(made(30, seed=1))
    assert found.shape == (30, 5)
    assert (found[:, [0, 2, 4]] == 0).all()
    assert (found[:, [1, 3]] > 0).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=300), st.integers(0, 5))
def test_of_every_class_some_rows_are_learnt_from(codes: list[int], seed: int) -> None:
    target = classes(codes, 5)
    held = held_out(target, seed)
    assert set(target.values[~held]) == set(codes)
    np.testing.assert_array_equal(held, held_out(target, seed))
    assert held.mean() == pytest.approx(0.1, abs=0.06) if len(codes) >= 50 else not held.any()


def test_the_only_row_of_a_class_is_not_held_out() -> None:
    target = classes(np.concatenate([np.zeros(80), np.arange(1, 21)]), 21)
    assert not held_out(target, 0)[80:].any()


def test_rows_are_held_out_evenly_from_all_classes_and_ranges() -> None:
    codes = np.repeat([0, 1, 2], [1000, 200, 40])
    held = held_out(classes(codes, 3), 0)
    assert np.bincount(codes[held]) == pytest.approx([150, 30, 6], abs=3)
    numbers = np.random.default_rng(0).exponential(size=1000)
    held = held_out(Target(numbers, 0), 0)
    assert (numbers[held] > np.quantile(numbers, 0.9)).sum() == pytest.approx(15, abs=2)
    assert held_out(Target(np.zeros(10**6), 0), 0).sum() == pytest.approx(10_000, abs=20)


def test_the_best_weights_are_kept_and_not_the_last() -> None:
    blocks, target = made(300), classes(np.random.default_rng(0).integers(0, 2, 300))
    config = TrainingConfig(1, 1e-2, 0.0, dropout=0.0, min_steps=300, patience=99)
    design = lambda widths, outputs: Gate(outputs, tuple(widths))  # noqa: E731
    network = train(design, Examples(blocks, target), config, 0)
    assert -np.log(network.predict(made(500, seed=1))).mean() < 1


@both
def test_rows_of_one_class_only_predict_it(fit: Fit) -> None:
    blocks = made(30)
    found = fit(blocks, classes(np.ones(30)), steps=5).predict(blocks)
    assert found.tolist() == [[0.0, 1.0]] * 30


@both
def test_the_same_seed_gives_the_same_bits_and_another_does_not(fit: Fit) -> None:
    blocks = made(150)
    fitted = [fit(blocks, crossed(blocks), seed=seed, steps=40) for seed in (3, 3, 4)]
    first, same, other = (network.predict(blocks) for network in fitted)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-3


@both
def test_torch_is_left_as_it_was(fit: Fit) -> None:
    blocks = made(60)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    state = torch.get_rng_state()
    try:
        with torch.no_grad():
            fit(blocks, crossed(blocks), steps=20).predict(blocks)
            assert not torch.is_grad_enabled()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


@both
def test_threads_are_restored_after_an_error(fit: Fit) -> None:
    threads = torch.get_num_threads()
    network = fit(made(20), classes(np.arange(20) % 2), steps=3)
    with pytest.raises(KeyError, match="numbers"):
        network.predict({"text": normal(5, 12)})
    with pytest.raises(RuntimeError):
        fit(made(20), classes(np.arange(20) % 2), steps=3, device="no such device")
    assert torch.get_num_threads() == threads


@both
@pytest.mark.parametrize("rows", [1, 2, 10, 49, 51])
def test_few_rows_are_enough(fit: Fit, rows: int) -> None:
    blocks = made(rows)
    found = fit(blocks, crossed(blocks), steps=30).predict(made(7, seed=1))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    numbers = Target(np.arange(float(rows)), 0)
    assert np.isfinite(fit(blocks, numbers, steps=30).predict(made(7, seed=1))).all()


@both
def test_ten_rows_are_learnt_by_heart(fit: Fit) -> None:
    blocks, target = made(10), classes(np.arange(10) % 2)
    assert accuracy(fit(blocks, target).predict(blocks), target) == 1


@both
@pytest.mark.parametrize("steps", [1, 2, 4, 5, 10])
def test_a_few_steps_are_enough_to_predict(fit: Fit, steps: int) -> None:
    blocks = made(60)
    assert np.isfinite(fit(blocks, crossed(blocks), steps=steps).predict(blocks)).all()


@both
def test_constant_features_do_no_harm(fit: Fit) -> None:
    blocks = made(400) | {
        "same": np.full((400, 3), 1e4, np.float32),
        "none": np.zeros((400, 2), np.float32),
        "empty": np.zeros((400, 0), np.float32),
    }
    blocks["numbers"][:, 1] = 0.1
    target = classes(blocks["numbers"][:, 0] > 0)
    found = fit(blocks, target, steps=80).predict(blocks)
    assert accuracy(found, target) > 0.9


@both
def test_a_constant_number_is_predicted(fit: Fit) -> None:
    found = fit(made(20), Target(np.full(20, 7.5), 0), steps=100).predict(made(20))
    np.testing.assert_allclose(found, 7.5, atol=0.5)


@both
def test_weights_move_the_probabilities(fit: Fit) -> None:
    blocks = made(400)
    target = classes(np.random.default_rng(0).integers(0, 2, 400))
    heavy = np.where(target.values == 1, 9.0, 1.0)
    plain, weighted = (fit(blocks, target, counts, steps=60) for counts in (None, heavy))
    assert plain.predict(blocks)[:, 1].mean() == pytest.approx(0.5, abs=0.15)
    assert weighted.predict(blocks)[:, 1].mean() == pytest.approx(0.9, abs=0.1)


@both
def test_rows_without_weight_teach_nothing(fit: Fit) -> None:
    blocks, target = made(80), classes(np.arange(80) % 3, 3)
    counts = (target.values != 2).astype(np.float64)
    kept = np.flatnonzero(counts)
    some = {name: block[kept] for name, block in blocks.items()}
    found = fit(blocks, target, counts, steps=20).predict(blocks)
    expected = fit(some, target.take(kept), steps=20).predict(blocks)
    np.testing.assert_array_equal(found, expected)
    assert (found[:, 2] == 0).all()


@both
def test_equal_weights_are_as_none(fit: Fit) -> None:
    blocks = made(80)
    plain = fit(blocks, crossed(blocks), steps=20).predict(blocks)
    halves = fit(blocks, crossed(blocks), np.full(80, 0.5), steps=20).predict(blocks)
    np.testing.assert_array_equal(plain, halves)


@both
@pytest.mark.parametrize("blocks", [{}, {"a": normal(4, 0)}, {"a": normal(0, 4)}])
def test_nothing_to_learn_from_is_refused(fit: Fit, blocks: Blocks) -> None:
    rows = len(next(iter(blocks.values()), []))
    with pytest.raises(ValueError, match="at least one row"):
        fit(blocks, classes(np.zeros(rows)))


@both
def test_no_rows_and_many_rows_are_predicted(fit: Fit) -> None:
    blocks, many = made(60), made(SIZES[0] + 3)
    network = fit(blocks, crossed(blocks), steps=20)
    assert network.predict(made(0)).shape == (0, 2)
    found = network.predict(many)
    last = network.predict({name: block[SIZES[0] :] for name, block in many.items()})
    np.testing.assert_array_equal(found[SIZES[0] :], last)


@both
@pytest.mark.parametrize("number", [True, False])
def test_json_and_arrays_are_all_of_a_network(fit: Fit, number: bool) -> None:
    blocks = made(80)
    target = Target(np.arange(80.0), 0) if number else classes(np.arange(80) % 2, 3)
    network = fit(blocks, target, steps=20)
    files = pack(network)
    again = unpack(files)
    np.testing.assert_array_equal(again.predict(blocks), network.predict(blocks))
    assert pack(again) == files
    assert set(files) == {"json", "safetensors"}
    assert {array.dtype for array in network.weights.values()} == {np.dtype(np.float32)}


def test_the_gate_ignores_a_block_of_noise() -> None:
    blocks = made(800) | {"noise": normal(800, 12, seed=5)}
    target = classes(blocks["text"][:, 0] + blocks["numbers"][:, 0] > 0)
    network = gated(blocks, target, steps=200)
    assert list(network.scaling.widths) == ["text", "numbers", "noise"]
    mean = block_gates(network, blocks).mean(axis=0)
    assert mean[2] < 0.1
    assert mean.sum() == pytest.approx(1, abs=1e-6)
    other = network.predict(blocks | {"noise": normal(800, 12, seed=6)})
    assert np.abs(other - network.predict(blocks)).mean() < 0.1


def test_a_row_without_text_gives_the_text_no_weight() -> None:
    blocks = made(200)
    blocks["text"][::3] = 0
    gates = block_gates(gated(blocks, crossed(blocks), steps=50), blocks)
    assert (gates[::3] == [0, 1]).all()
    assert (gates[1::3] > 0).all()
    np.testing.assert_allclose(gates.sum(axis=1), 1, atol=1e-6)


@both
def test_a_row_in_which_all_is_empty_is_predicted_without_gates(fit: Fit) -> None:
    blocks = made(80)
    network = fit(blocks, crossed(blocks), steps=20)
    nothing = {name: np.zeros_like(block[:2]) for name, block in blocks.items()}
    np.testing.assert_allclose(network.predict(nothing).sum(axis=1), 1, atol=1e-12)
    assert fit is not gated or (block_gates(network, nothing) == 0).all()


def test_empty_rows_have_no_part_in_the_scaling() -> None:
    filled = normal(50, 4) + 3
    half = np.vstack([filled, np.zeros_like(filled)])
    alone, mixed = fit_scaling({"text": filled}), fit_scaling({"text": half})
    np.testing.assert_array_equal(alone.mean, mixed.mean)
    np.testing.assert_array_equal(alone.deviation, mixed.deviation)
    scaled, present = mixed.apply({"text": half})
    assert (scaled[50:] == 0).all()
    assert present[:, 0].tolist() == [1.0] * 50 + [0.0] * 50


def test_an_outlier_stays_within_bounds() -> None:
    scaled, _ = fit_scaling({"a": normal(50, 2)}).apply({"a": np.array([[1e9, -1e9]], np.float32)})
    assert scaled.tolist() == [[CLIP, -CLIP]]


def test_heavy_rows_count_more_in_the_scale_of_numbers() -> None:
    outcome = fit_output_meaning(Target(np.array([0.0, 4.0]), 0), np.array([3.0, 1.0]))
    assert (outcome.mean, outcome.deviation) == pytest.approx((1.0, np.sqrt(3)))


@given(st.integers(0, 1000), st.floats(1e-3, 1e6), st.floats(-1e3, 1e3))
def test_the_unit_of_a_block_does_not_matter(seed: int, factor: float, shift: float) -> None:
    block = normal(30, 3, seed)
    moved = (block * factor + shift * factor).astype(np.float32)
    plain, _ = fit_scaling({"a": block}).apply({"a": block})
    scaled, _ = fit_scaling({"a": moved}).apply({"a": moved})
    assert np.abs(scaled).max() <= CLIP
    np.testing.assert_allclose(plain, scaled, atol=1e-2)


@settings(max_examples=50)
@given(st.integers(1, 10**7), st.integers(1, 5000))
def test_every_training_has_steps_within_its_bounds(rows: int, most: int) -> None:
    config = TrainingConfig(10, 1e-3, 0.0, dropout=0.0, max_steps=most)
    assert 1 <= config.rows_per_step(rows) <= min(rows, config.batch_size)
    assert min(most, config.min_steps) <= config.steps(rows) <= most
