"""Joining text and table: every strategy and learner learns, `auto` takes what is best."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.incidents import classified, incidents

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.mine.classify.learners import trees
from fusemine.tasks.mine.classify.problem import VIEWS
from fusemine.tasks.mine.classify.selection.candidates import Candidate, candidates, within_budget
from fusemine.tasks.mine.classify.selection.combine import (
    combine_out_of_fold,
    fit_late,
    fit_mean,
    fit_mixture,
    fit_stacked,
    loss,
)
from fusemine.tasks.mine.classify.settings import ClassifySettings
from fusemine.tasks.stats.target import Target

LEARNERS = ("logistic", "svm", "boosted", "forest", "neighbours", "network", "lightgbm")


@pytest.mark.parametrize("strategy", ["late", "stacked", "gated"])
def test_every_strategy_learns_from_text_and_table(strategy: str) -> None:
    summary = classified(*incidents(300), strategy=strategy).summary
    assert summary["model"]["strategy"] == strategy
    assert summary["metrics"]["chosen"]["roc_auc"] > 0.8
    assert sum(part["share"] for part in summary["model"]["parts"]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_learns_alone(learner: str) -> None:
    summary = classified(*incidents(300), learner=learner).summary
    assert (summary["learner"], summary["model"]["strategy"]) == (learner, "early")
    assert summary["metrics"]["chosen"]["roc_auc"] > 0.75
    assert bool(summary["terms"]["positive"]) == (learner == "logistic")


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_predicts_numbers(learner: str) -> None:
    clean, vectors = numbers(300)
    summary = classified(clean, vectors, number=True, learner=learner).summary
    assert summary["metrics"]["both"]["rmse"] < summary["metrics"]["majority"]["rmse"]
    assert summary["metrics"]["both"]["r2"] > 0.1


def test_auto_is_no_worse_out_of_fold_than_any_that_it_tried() -> None:
    summary = classified(*incidents(300), strategy="auto", budget=60).summary
    board = summary["leaderboard"]
    chosen = [entry for entry in board if entry["chosen"]]
    assert len(chosen) == 1
    assert chosen[0]["loss"] == min(entry["loss"] for entry in board)
    strategies = {entry["strategy"] for entry in board}
    assert strategies == {"early", "late", "stacked", "gated", "mixture"}
    assert summary["metrics"]["chosen"]["roc_auc"] > 0.85


def test_a_small_budget_leaves_candidates_out_with_the_reason() -> None:
    summary = classified(*incidents(), strategy="auto", budget=1e-6).summary
    left = [entry for entry in summary["leaderboard"] if entry["left_out"]]
    assert len(left) >= 3
    assert all("budget" in entry["left_out"] and entry["loss"] is None for entry in left)
    learners = {part["learner"] for part in summary["model"]["parts"]}
    assert learners <= {"logistic regression", "boosted trees"}
    assert summary["baseline"] == "logistic regression"
    assert any("boosted trees would take more" in note for note in summary["notes"])


def test_the_budget_counts_a_model_once_that_candidates_share() -> None:
    found = candidates(ClassifySettings(strategy="auto"), VIEWS["both"])
    average, boosted, logistic = found[:3]
    assert set(boosted.specs) | set(logistic.specs) == set(average.specs)
    cost = 6 * sum(spec.minutes(10_000, 2) for spec in average.specs)
    kept, left = within_budget(found, cost * 1.0001, 10_000, 2, 6)
    assert kept == [average, boosted, logistic]
    assert all(minutes > 0 for _, minutes in left)


def test_one_block_alone_is_not_joined() -> None:
    found = candidates(ClassifySettings(strategy="auto"), VIEWS["table"])
    assert not {"late", "stacked"} & {candidate.strategy for candidate in found}


@pytest.mark.parametrize("strategy", ["late", "stacked"])
def test_a_named_learner_learns_every_block(strategy: str) -> None:
    settings = ClassifySettings(strategy=strategy, learner="forest")
    [candidate] = candidates(settings, VIEWS["both"])
    assert {spec.learner for spec in candidate.specs} == {"forest"}
    assert len(candidate.specs) == 3


def test_the_gates_are_reported() -> None:
    gates = classified(*incidents(300), strategy="gated").summary["gates"]
    assert {"terms", "numbers"} <= set(gates)
    assert sum(gates.values()) == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes_with_every_kind_of_model() -> None:
    made = [classified(*incidents(120), strategy="auto", budget=60) for _ in range(2)]
    assert made[0].summary == made[1].summary
    assert made[0].predictions.equals(made[1].predictions)


def test_lightgbm_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match="fusemine\\[lightgbm\\]"):
        classified(*incidents(), learner="lightgbm")


def test_class_weights_make_a_rare_class_count_more() -> None:
    plain, weighted = (
        classified(*incidents(300), class_weights=weights, calibration="none")
        for weights in ("none", "balanced")
    )
    means = [made.predictions["probability.positive"].mean() for made in (plain, weighted)]
    assert means[1] > means[0] + 0.02


def test_weights_of_one_class_leave_the_others_at_one() -> None:
    same = classified(*incidents(), class_weights={"positive": 1.0})
    assert same.predictions.equals(classified(*incidents()).predictions)


def noisy(rows: int, noise: float, seed: int) -> tuple[np.ndarray, Target]:
    """Probabilities of two classes that are right up to a noise, and the classes."""
    random = np.random.default_rng(seed)
    codes = (random.random(rows) < 0.4).astype(np.int64)
    second = np.clip(0.3 + 0.4 * codes + noise * random.normal(size=rows), 0.02, 0.98)
    return np.stack([1 - second, second], axis=1), Target(codes, 2)


def test_a_mixture_is_no_worse_than_its_best_model_and_drops_noise() -> None:
    good, target = noisy(400, 0.1, 0)
    noise = np.full((400, 2), 0.5)
    mixed = fit_mixture([good, noise], target)
    assert loss(mixed.apply([good, noise]), target) <= loss(good, target)
    assert mixed.shares()[1] == 0


def test_stacking_learns_which_model_to_trust() -> None:
    good, target = noisy(400, 0.1, 0)
    bad, _ = noisy(400, 0.1, 1)  # right about other rows
    stacked = fit_stacked([good, bad], target)
    assert stacked.shares()[0] > 0.9
    assert loss(stacked.apply([good, bad]), target) < loss(good, target)


def test_late_fusion_calibrates_before_it_averages() -> None:
    good, target = noisy(600, 0.1, 0)
    timid = 0.5 + (good - 0.5) * 0.05
    late = fit_late([good, timid], target)
    assert loss(late.apply([good, timid]), target) < loss((good + timid) / 2, target)


@pytest.mark.parametrize("fit", [fit_mean, fit_late, fit_stacked, fit_mixture])
def test_combined_probabilities_sum_to_one(fit: Any) -> None:
    found, target = noisy(100, 0.2, 3)
    fold = np.arange(100) % 4
    combined = combine_out_of_fold(fit, [found, found[::-1]], target, fold)
    np.testing.assert_allclose(combined.sum(axis=1), 1)


def test_what_combines_a_fold_has_not_seen_its_labels() -> None:
    found, target = noisy(120, 0.2, 4)
    other, _ = noisy(120, 0.3, 5)
    fold = np.arange(120) % 3
    flipped = Target(np.where(fold == 0, 1 - target.values, target.values), 2)
    before = combine_out_of_fold(fit_stacked, [found, other], target, fold)
    after = combine_out_of_fold(fit_stacked, [found, other], flipped, fold)
    np.testing.assert_array_equal(before[fold == 0], after[fold == 0])
    assert not np.array_equal(before[fold == 1], after[fold == 1])


@given(st.lists(st.floats(0.001, 5), min_size=1, max_size=6), st.floats(0.001, 8))
def test_the_first_candidate_always_stays(weights: list[float], budget: float) -> None:
    settings = ClassifySettings(strategy="auto")
    found: list[Candidate] = candidates(settings, VIEWS["both"])[: len(weights)]
    kept, left = within_budget(found, budget, 1000, 2, 6)
    assert kept[0] == found[0]
    assert len(kept) + len(left) == len(found)


def numbers(rows: int) -> tuple[pl.DataFrame, Any]:
    """Incidents whose label is a cost: words and a column each add to it."""
    clean, vectors = incidents(rows)
    random = np.random.default_rng(1)
    engine = clean["text"].str.contains("engine").cast(pl.Float64)
    cost = 50 + 30 * engine + 10 * clean["number.speed"] + pl.Series(random.normal(size=rows) * 5)
    return clean.with_columns(label=cost.map_elements(repr, return_dtype=pl.String)), vectors


def test_the_learner_that_is_named_is_the_one_that_auto_tries() -> None:
    found = candidates(ClassifySettings(strategy="auto", learner="forest"), VIEWS["both"])
    assert {spec.learner for candidate in found for spec in candidate.specs} == {"forest", "gated"}
    assert {candidate.strategy for candidate in found} == {"early", "late", "stacked", "gated"}


def test_a_candidate_that_costs_nothing_more_is_kept_on_any_budget() -> None:
    found = candidates(ClassifySettings(strategy="auto"), VIEWS["both"])
    kept, left = within_budget(found, 1e-9, 100_000, 2, 6)
    assert [candidate.name for candidate in kept] == [candidate.name for candidate in found[:3]]
    assert all(minutes > 0 for _, minutes in left)


def test_a_number_is_predicted_better_from_text_and_table_than_from_either() -> None:
    made = classified(*numbers(500), number=True)
    metrics = made.summary["metrics"]
    assert metrics["both"]["rmse"] < min(metrics["text"]["rmse"], metrics["table"]["rmse"])
    assert made.summary["gain"]["interval"][0] > 0
    assert made.summary["leading"] == "rmse"
    assert made.predictions["probability"].null_count() == 500
    tested = made.predictions.filter(pl.col("split") == "test")
    off = tested["prediction"].cast(pl.Float64) - tested["label"].cast(pl.Float64)
    rmse = metrics["chosen"]["rmse"]
    assert float(np.sqrt((off**2).mean())) == pytest.approx(rmse, rel=1e-4)


def test_auto_learns_numbers_too() -> None:
    summary = classified(*numbers(200), number=True, strategy="auto", budget=60).summary
    metrics = summary["metrics"]
    assert metrics["chosen"]["rmse"] < metrics["majority"]["rmse"]


def test_a_class_too_rare_for_the_svm_is_not_learnt_by_another_learner() -> None:
    labels = ["rare", "rare", *["a", "b"] * 79]
    made = classified(*incidents(label=labels), learner="svm", calibration="none")
    tested = made.predictions.filter(pl.col("split") == "test")
    assert tested["probability.rare"].max() == 0
    assert tested["probability.a"].n_unique() > 10


def test_one_group_of_training_rows_leaves_late_fusion_uncalibrated() -> None:
    clean, vectors = incidents(200)
    made = classified(clean.with_columns(group=pl.lit("g")), vectors, strategy="late")
    tested = made.predictions.filter(pl.col("split") == "test")
    share = (clean["label"] == "positive").mean()
    assert tested["probability.positive"].mean() == pytest.approx(share, abs=0.12)
