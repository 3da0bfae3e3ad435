"""Leaks: columns that give the label away, and scores on shuffled labels."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.frames import frame
from support.present import present

from fusemine.tasks.core.errors import QUOTED
from fusemine.tasks.mine.classify.leakage.leaking_columns import MAX_ROWS, find_leaks
from fusemine.tasks.mine.classify.leakage.shuffled_labels import score_shuffled
from fusemine.tasks.mine.classify.leakage.single_feature import (
    out_of_fold,
    roc_aucs,
    score,
    uncertainty_explained,
)
from fusemine.tasks.stats.target import Target
from fusemine.tasks.stats.threads import one_thread

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
START = datetime(1995, 1, 1, tzinfo=UTC)
NAMES = ["harmless", "serious"]
WORDS = ["bird", "wing", "runway", "gull", "crew", "light", "tail", "found"]
HOSTILE = "<script>alert(1)</script>\n" + "x" * 5000


def classes(rows: int = 400, share: float = 0.2, seed: int = 0) -> Codes:
    return (np.random.default_rng(seed).random(rows) < share).astype(np.int64)


def table(rows: int = 400, seed: int = 5, **columns: Any) -> pl.DataFrame:
    """A clean table that has nothing to do with any label, but for the columns given."""
    random = np.random.default_rng(seed)
    made: dict[str, Any] = {
        "row_id": [f"r{i}" for i in random.permutation(rows)],
        "event_time": [START + timedelta(hours=int(h)) for h in random.integers(0, 9999, rows)],
        "text": [" ".join(random.choice(WORDS, 4)) for _ in range(rows)],
        "number.speed": random.normal(size=rows),
        "number.height": [None if i % 9 == 0 else float(i % 13) for i in range(rows)],
        "category.sky": random.choice(["clear", "fog", "cloud"], rows).tolist(),
    } | columns
    return frame(made)


def noisy(codes: Codes, share: float, seed: int = 3) -> Codes:
    wrong = np.random.default_rng(seed).random(len(codes)) < share
    return np.where(wrong, 1 - codes, codes)


def found(codes: NDArray[Any], names: list[str] = NAMES, **columns: Any) -> dict[str, Any]:
    """The leaks of a table by their column, having checked what must hold of each."""
    target = Target(codes, len(names))
    with one_thread():
        entries = find_leaks(table(len(codes), **columns), target, names)
    json.dumps(entries, allow_nan=False)
    assert all(len(entry["why"]) < 600 and "\n" not in entry["why"] for entry in entries)
    scores = [entry["score"] for entry in entries]
    assert scores == sorted(scores, reverse=True)
    return {entry["column"]: entry for entry in entries}


def test_columns_unrelated_to_the_label_are_not_named() -> None:
    for seed in range(3):
        assert found(classes(seed=seed)) == {}


def test_a_category_that_copies_the_label_is_named_with_its_level() -> None:
    codes = classes()
    (entry,) = found(codes, **{"category.end": np.array(["ok", "hurt"])[codes]}).values()
    assert (entry["column"], entry["kind"], entry["measure"]) == ("end", "category", "roc_auc")
    assert entry["score"] == pytest.approx(1, abs=1e-3)
    assert entry["certainty"] > 0.95
    assert "'end'" in entry["why"]
    assert f"'hurt', in {codes.sum()} rows, the label is 'serious' in 100 %" in entry["why"]


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_copies_with_two_per_cent_of_errors_are_named(share: float) -> None:
    codes = classes(2000, share)
    copy = noisy(codes, 0.02)
    columns = {
        "category.end": np.array(["ok", "hurt"])[copy],
        "number.cost": copy * 3.0 + 0.1 * np.random.default_rng(0).normal(size=2000),
    }
    assert set(found(codes, **columns)) == {"end", "cost"}


def test_a_strong_feature_is_not_called_a_leak() -> None:
    codes = classes(2000, 0.5)
    columns = {
        "category.end": np.array(["ok", "hurt"])[noisy(codes, 0.1)],
        "number.cost": codes * 2.0 + np.random.default_rng(0).normal(size=2000),
    }
    assert found(codes, **columns) == {}


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300])
def test_a_number_that_gives_the_label_away_is_named_in_any_unit(scale: float) -> None:
    codes = classes()
    cost = (codes + 1 + np.random.default_rng(0).random(400)) * scale / 4
    assert found(codes, **{"number.cost": cost})["cost"]["kind"] == "number"


@pytest.mark.parametrize("role", ["number", "category"])
def test_a_column_that_is_filled_only_for_one_class_is_named_for_its_gaps(role: str) -> None:
    codes = classes()
    values = [str(i % 7) if code else None for i, code in enumerate(codes)]
    given_values: Any = values if role == "category" else [v and float(v) for v in values]
    entry = found(codes, **{f"{role}.damage": given_values})["damage"]
    assert entry["kind"] == "missing"
    assert "Whether 'damage' is empty" in entry["why"]


def test_texts_that_only_one_class_has_are_named_for_their_gaps() -> None:
    codes = classes()
    texts = ["a text" if code else " " for code in codes]
    assert found(codes, text=texts)["text"]["kind"] == "missing"


def test_an_order_of_the_rows_by_label_is_named() -> None:
    assert set(found(np.sort(classes()))) == {"(order of the rows)"}


def test_ids_that_give_the_label_away_are_named_by_number_or_letters() -> None:
    codes = classes()
    order = np.argsort(np.argsort(codes, kind="stable"))
    by_number = found(codes, row_id=[f"case {i + 20_000_000}" for i in order])
    by_letters = found(codes, row_id=[f"{'SN'[code]}-{i}" for i, code in enumerate(codes)])
    assert set(by_number) == set(by_letters) == {"row_id"}
    assert "number" in by_number["row_id"]["why"]
    assert "'N-'" in by_letters["row_id"]["why"]


def test_event_times_that_give_the_label_away_are_named_by_date_or_time_of_day() -> None:
    codes = classes()
    days = [START + timedelta(days=int(code) * 400 + i % 300) for i, code in enumerate(codes)]
    hours = [START + timedelta(days=i % 300, hours=int(code)) for i, code in enumerate(codes)]
    gaps = [START if code else None for code in codes]
    kinds = [found(codes, event_time=times)["event_time"] for times in (days, hours, gaps)]
    assert [entry["kind"] for entry in kinds] == ["event_time", "event_time", "missing"]
    assert "time of day" in kinds[1]["why"]


def test_with_many_classes_a_copy_is_named_and_so_is_a_class_that_is_given_away() -> None:
    codes = np.random.default_rng(0).integers(0, 4, 600)
    names = ["a", "b", "c", "d"]
    columns = {
        "category.copy": np.array(list("wxyz"))[codes],
        "number.copied": codes * 1.5,
        "category.one": np.where(codes == 2, "yes", "no"),
    }
    entries = found(codes, names, **columns)
    assert set(entries) == {"copy", "copied", "one"}
    assert "class" not in entries["copy"]
    assert entries["one"]["class"] == "c"
    assert "Where it is 'yes', in 154 rows, the label is 'c' in 100 %" in entries["one"]["why"]


@pytest.mark.parametrize("draw", ["normal", "lognormal"])
def test_a_number_label_is_given_away_by_itself_in_another_unit(draw: str) -> None:
    random = np.random.default_rng(0)
    values = getattr(random, draw)(size=1500)
    noise = random.normal(size=1500)
    columns = {"number.same": values * 2.2 + 1 + 0.01 * noise, "number.like": values + noise}
    entries = found(values, [], **columns)
    assert set(entries) == {"same"}
    assert entries["same"]["measure"] == "r2"
    assert "% of the label's variance" in entries["same"]["why"]


def test_a_category_gives_away_a_number_label() -> None:
    values = np.random.default_rng(0).integers(0, 5, 400).astype(float)
    assert set(found(values, [], **{"category.grade": [f"g{v:g}" for v in values]})) == {"grade"}


def test_hostile_names_and_values_are_cut_where_they_are_quoted() -> None:
    codes = classes()
    values = np.array(["ok", HOSTILE])[codes]
    (entry,) = found(codes, ["fine", HOSTILE], **{f"category.{HOSTILE}": values}).values()
    assert entry["column"] == HOSTILE
    assert "x" * QUOTED not in entry["why"]


@pytest.mark.parametrize("rows", [0, 1, 19])
def test_few_rows_show_no_leak(rows: int) -> None:
    codes = np.arange(rows) % 2
    assert found(codes, **{"number.copy": codes.astype(float)}) == {}


def test_labels_and_columns_that_do_not_vary_show_no_leak() -> None:
    same = np.zeros(60, dtype=np.int64)
    assert found(same) == {}
    assert found(np.full(60, 2.5), []) == {}
    codes = classes(60)
    columns = {
        "number.none": [None] * 60,
        "category.none": [None] * 60,
        "number.wild": [float("nan"), float("inf")] * 30,
        "category.one": ["k"] * 60,
    }
    assert found(codes, **columns) == {}


def test_a_large_table_is_sampled_evenly() -> None:
    rows = MAX_ROWS + 5000
    codes = np.arange(rows) % 2
    clean = table(rows).select("row_id", "event_time", "text")
    copied = clean.with_columns(pl.Series("category.copy", np.array(["a", "b"])[codes]))
    with one_thread():
        (entry,) = find_leaks(copied, Target(codes, 2), NAMES)
    assert entry["column"] == "copy"


def test_the_prediction_of_a_row_does_not_depend_on_its_own_label() -> None:
    """A level of its own for each row predicts it only if its own label leaks."""
    codes = classes()
    predicted = out_of_fold(np.arange(400), True, Target(codes, 2), 0)
    assert score(Target(codes, 2), predicted) == pytest.approx(0.5, abs=0.1)


@given(st.integers(20, 60), st.integers(2, 4), st.integers(0, 20), st.booleans())
def test_one_feature_predicts_probabilities_of_all_classes(
    rows: int, count: int, seed: int, levels: bool
) -> None:
    random = np.random.default_rng(seed)
    target = Target(random.integers(0, count, rows), count + 1)
    feature = random.integers(0, 5, rows) if levels else random.normal(size=rows)
    predicted = out_of_fold(feature, levels, target, seed)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-9)
    assert (predicted >= 0).all()
    assert 0 <= uncertainty_explained(target, predicted) <= 1
    assert all(0 <= area <= 1 for area in roc_aucs(target, predicted).values())


def test_classes_of_very_few_rows_are_not_ranked() -> None:
    target = Target(np.array([0] * 30 + [1] * 30 + [2] * 2), 4)
    assert set(roc_aucs(target, np.eye(4)[target.values])) == {0, 1}
    assert score(Target(np.array([0] * 30 + [1]), 2), np.eye(2)[[0] * 31]) is None


def means_of_levels(levels: Codes, leaking: bool) -> Any:
    """Predicts the label by the mean of the row's level, with or without the row itself."""

    def fit_predict(target: Target) -> Floats:
        if not leaking:
            return out_of_fold(levels, True, target, 0)
        sums = np.zeros((levels.max() + 1, target.outputs))
        np.add.at(sums, levels, target.columns())
        return np.asarray(sums[levels] / np.bincount(levels)[levels][:, None])

    return fit_predict


@pytest.mark.parametrize("target", ["two", "three", "numbers"])
def test_an_honest_model_is_at_chance_on_shuffled_labels_and_a_leaking_one_is_not(
    target: str,
) -> None:
    random = np.random.default_rng(0)
    labels = {
        "two": Target(classes(600), 2),
        "three": Target(random.integers(0, 3, 600), 3),
        "numbers": Target(random.lognormal(size=600), 0),
    }
    levels = np.arange(600) // 4
    chance = ("r2", 0) if target == "numbers" else ("roc_auc", 0.5)
    for seed in range(5):
        honest, leaky = (
            present(score_shuffled(means_of_levels(levels, leaking), labels[target], seed))
            for leaking in (False, True)
        )
        assert honest.ok
        assert (honest.measure, honest.chance) == chance
        assert leaky.score > 0.1 + leaky.chance + leaky.tolerance
        assert not leaky.ok


def test_labels_are_shuffled_and_none_is_lost() -> None:
    seen: list[Target] = []

    def fit_predict(target: Target) -> Floats:
        seen.append(target)
        return np.tile(target.prior(), (len(target), 1))

    codes = np.sort(classes())
    result = present(score_shuffled(fit_predict, Target(codes, 2), 0))
    assert (result.score, result.ok) == (0.5, True)
    assert not np.array_equal(seen[0].values, codes)
    np.testing.assert_array_equal(np.sort(seen[0].values), codes)


def test_more_rows_leave_less_to_chance() -> None:
    def nothing(target: Target) -> Floats:
        return np.tile(target.prior(), (len(target), 1))

    for outputs in (2, 0):
        wide, narrow = (
            present(score_shuffled(nothing, Target(np.arange(rows) % 2, outputs), 0)).tolerance
            for rows in (40, 4000)
        )
        assert 0 < narrow < wide < 0.5


def test_labels_that_cannot_be_shuffled_are_left_alone() -> None:
    def never(_: Target) -> Floats:
        raise AssertionError

    assert score_shuffled(never, Target(np.arange(19) % 2, 2), 0) is None
    assert score_shuffled(never, Target(np.zeros(50, np.int64), 2), 0) is None
    assert score_shuffled(never, Target(np.full(50, 1.5), 0), 0) is None
