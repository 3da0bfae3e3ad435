"""Likely label errors: rows that models dispute, numbers far off, like rows of other labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.frames import frame

from fusemine.tasks.mine.classify.label_errors.confident_learning import (
    LIMIT,
    confident_joint,
    find_class_errors,
    find_label_errors,
    find_number_errors,
)
from fusemine.tasks.mine.classify.label_errors.near_duplicates import (
    MAX_PAIRS,
    MAX_TEXTS,
    NearDuplicates,
    find_near_duplicates,
)
from fusemine.tasks.stats.target import Target

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
LONG = "bird struck the left engine on landing"
OTHER = "deer seen beside the runway by the crew at night"


def favouring(codes: Codes, classes: int, seed: int = 0, sharp: float = 6.0) -> Floats:
    """Probabilities (n, classes) that mostly favour these classes."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(codes), classes))
    logits[np.arange(len(codes)), codes] += sharp
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def flipped(
    codes: Codes, count: int, classes: int, seed: int = 1
) -> tuple[Codes, NDArray[np.intp]]:
    """The codes with some of them changed, and where."""
    random = np.random.default_rng(seed)
    where = random.choice(len(codes), count, replace=False)
    changed = codes.copy()
    changed[where] = (codes[where] + random.integers(1, classes, count)) % classes
    return changed, where


def table(texts: list[str], labels: list[str | None]) -> pl.DataFrame:
    ids = [f"r{i}" for i in range(len(texts))]
    return frame({"row_id": ids, "text": texts, "label": labels})


def apart(count: int, width: int = 64) -> NDArray[np.float32]:
    """Unit vectors of which no two are near each other."""
    vectors = np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def found(texts: list[str], labels: list[str | None], vectors: Any = None) -> NearDuplicates:
    vectors = apart(len(texts)) if vectors is None else vectors
    return find_near_duplicates(table(texts, labels), vectors)


@pytest.mark.parametrize("classes", [2, 5])
def test_flipped_labels_come_first_and_their_own_class_is_suggested(classes: int) -> None:
    truth = np.random.default_rng(0).integers(0, classes, 600)
    codes, where = flipped(truth, 20, classes)
    errors = find_class_errors(favouring(truth, classes, sharp=10), codes)
    first = errors.positions[:20]
    assert set(first) == set(where)
    np.testing.assert_array_equal(errors.suggested[:20], truth[first])
    assert 15 <= errors.estimated <= 30


def test_a_rare_class_of_small_probabilities_is_not_accused_for_it() -> None:
    """One row in ten is positive, and even then its probability is hardly above a half."""
    random = np.random.default_rng(0)
    truth = (random.random(1000) < 0.1).astype(np.int64)
    positive = np.where(truth, random.uniform(0.35, 0.75, 1000), random.uniform(0.0, 0.1, 1000))
    codes = truth.copy()
    wrong = np.concatenate([np.flatnonzero(truth)[:5], np.flatnonzero(truth == 0)[:5]])
    codes[wrong] = 1 - codes[wrong]
    errors = find_class_errors(np.column_stack([1 - positive, positive]), codes)
    assert set(wrong[:5]) <= set(errors.positions[:10])
    accused = errors.positions[codes[errors.positions] == 1]
    assert len(accused) >= 2
    assert set(accused) <= set(wrong)


def test_a_row_is_compared_with_the_mean_self_confidence_of_its_class() -> None:
    """The rare class has probabilities of 0.5 and the common one with 0.95, by and large."""
    own = np.array([0.5] * 16 + [0.4] * 4 + [0.02, 0.02, 0.2] + [0.95] * 200 + [0.3])
    codes = np.array([1] * 23 + [0] * 201)
    positive = np.where(codes == 1, own, 1 - own)
    errors = find_class_errors(np.column_stack([1 - positive, positive]), codes)
    # The last row has a larger probability than the third one, but less for its class.
    assert errors.positions.tolist() == [20, 21, 223, 22]


def test_the_confident_joint_counts_rows_that_reach_the_threshold_of_a_class() -> None:
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9]])
    codes = np.array([0, 0, 0, 1, 1])
    thresholds = np.array([0.6, 0.75])
    # The fourth row reaches neither 0.6 for the first class nor 0.75 for the second.
    assert confident_joint(probabilities, codes, thresholds).tolist() == [[2, 1], [0, 1]]


def test_labels_that_are_predicted_for_sure_are_no_errors() -> None:
    codes = np.arange(60) % 3
    errors = find_class_errors(np.eye(3)[codes], codes)
    assert (len(errors), errors.estimated) == (0, 0)


def test_a_class_that_is_never_predicted_is_wrong_throughout_but_harms_no_other() -> None:
    codes = np.array([0] * 30 + [1] * 30 + [2] * 2)
    probabilities = np.zeros((62, 4))
    probabilities[np.arange(62), np.where(codes == 2, 0, codes)] = 1
    errors = find_class_errors(probabilities, codes)
    assert sorted(errors.positions) == [60, 61]
    assert errors.suggested.tolist() == [0, 0]
    assert errors.scores.tolist() == [1, 1]


@given(st.integers(2, 4), st.integers(20, 80), st.integers(0, 50), st.floats(0, 3))
def test_errors_are_ranked_rows_with_another_class(
    classes: int, rows: int, seed: int, sharp: float
) -> None:
    codes = np.random.default_rng(seed).integers(0, classes, rows)
    errors = find_class_errors(favouring(codes, classes, seed, sharp), codes)
    assert len(set(errors.positions)) == len(errors) == errors.estimated <= rows
    assert (errors.suggested != codes[errors.positions]).all()
    assert ((errors.scores >= 0) & (errors.scores <= 1)).all()
    assert (np.diff(errors.scores) <= 0).all()


def test_too_few_rows_and_labels_of_one_class_have_no_errors() -> None:
    few = np.arange(19) % 2
    assert len(find_class_errors(favouring(1 - few, 2), few)) == 0
    same = np.zeros(50, dtype=np.int64)
    assert len(find_class_errors(favouring(1 - same, 2), same)) == 0
    assert len(find_class_errors(np.empty((0, 2)), same[:0])) == 0


def test_numbers_far_from_their_prediction_come_first() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(100, 20, 500)
    values = truth + random.normal(0, 1, 500)
    values[[7, 300]] *= 10
    values[11] = values[11] + 9
    errors = find_number_errors(truth, values)
    assert set(errors.positions[:3]) == {7, 300, 11}
    assert errors.positions[2] == 11
    np.testing.assert_array_equal(errors.suggested, truth[errors.positions])
    assert 3 <= errors.estimated <= 5
    assert (errors.scores > 0.5).all()


def test_numbers_are_errors_beyond_the_limit_only() -> None:
    # The deviations' median is 1, so the limit is 3.5 times 1.4826.
    residuals = np.array([-1.0, 1.0] * 20 + [LIMIT * 1.4826 + 0.01, 0.01 - LIMIT * 1.4826])
    errors = find_number_errors(np.zeros(42), residuals)
    assert errors.positions.tolist() == [40]
    assert errors.scores[0] == pytest.approx(0.5, abs=0.001)


def test_one_error_among_numbers_predicted_exactly_is_found() -> None:
    values = np.arange(50.0)
    wrong = values.copy()
    wrong[9] = 1000
    assert find_number_errors(values, wrong).positions.tolist() == [9]
    assert len(find_number_errors(values, values)) == 0


def test_the_target_decides_whether_classes_or_numbers_are_audited() -> None:
    codes, where = flipped(np.arange(100) % 2, 3, 2)
    classes = find_label_errors(Target(codes, 2), favouring(np.arange(100) % 2, 2, sharp=9))
    assert set(where) == set(classes.positions[:3])
    values = np.arange(100.0)
    wrong = Target(np.where(values == 5, 900, values), 0)
    numbers = find_label_errors(wrong, values.reshape(-1, 1))
    assert numbers.positions.tolist() == [5]


def test_the_same_text_in_any_case_and_with_any_blanks_and_another_label_is_a_pair() -> None:
    shouted = f"  {LONG.upper()}\n".replace(" ", "  ")
    result = found([LONG, OTHER, shouted, LONG], ["yes", "no", "no", "yes"])
    (pair,) = result.pairs
    assert (pair.row_id, pair.label, pair.similarity) == ("r2", "no", 1)
    assert (pair.other_row_id, pair.other_label) == ("r0", "yes")
    assert (result.same, result.near, result.texts) == (1, 0, 2)


@pytest.mark.parametrize("text", ["", "NO DAMAGE", "no no no no no no", "FLT 12 34 56 78 90"])
def test_texts_of_few_different_words_do_not_contradict_each_other(text: str) -> None:
    result = found([text, text], ["yes", "no"], np.ones((2, 1), np.float32))
    assert (result.pairs, result.texts) == ((), 0)


def test_a_long_enough_text_without_blanks_counts() -> None:
    text = "鳥がエンジンに衝突した後に着陸"
    assert found([text, text], ["yes", "no"]).same == 1
    assert found(["損傷なし", "損傷なし"], ["yes", "no"]).same == 0


def test_near_copies_of_different_labels_are_pairs_the_most_similar_first() -> None:
    texts = [LONG, OTHER, f"{LONG} today", f"{OTHER} two", "a text unlike all of the others"]
    vectors = apart(5)
    vectors[2] = vectors[0] + 0.02 * vectors[4]
    vectors[3] = vectors[1] + 0.15 * vectors[4]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    result = found(texts, ["yes", "yes", "no", "no", "yes"], vectors)
    first, second = result.pairs
    assert (first.row_id, first.other_row_id) == ("r2", "r0")
    assert (second.row_id, second.other_row_id) == ("r3", "r1")
    assert 1 > first.similarity > second.similarity >= 0.97
    assert found(texts, ["yes"] * 5, vectors).pairs == ()


def test_a_near_copy_of_another_label_is_found_among_many_of_its_own() -> None:
    count = 60
    texts = [f"{LONG} {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(count)]
    vectors = np.tile(apart(1), (count, 1)) + 0.001 * apart(count)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    result = found(texts, ["no" if i == 17 else "yes" for i in range(count)], vectors)
    assert result.near == 1
    assert result.pairs[0].row_id == "r17"


def test_all_pairs_are_counted_and_some_are_listed() -> None:
    texts = [f"{LONG} {'x' * i}" for i in range(MAX_PAIRS + 3) for _ in range(2)]
    result = found(texts, ["yes", "no"] * (MAX_PAIRS + 3))
    assert (len(result.pairs), result.same) == (MAX_PAIRS, MAX_PAIRS + 3)


def test_a_text_with_three_labels_gives_a_pair_for_each_but_the_commonest() -> None:
    result = found([LONG] * 4, ["b", "a", "b", "c"])
    assert [(pair.label, pair.other_label) for pair in result.pairs] == [("a", "b"), ("c", "b")]


def test_rows_without_label_are_never_in_a_pair() -> None:
    assert found([LONG, LONG], ["yes", None]).pairs == ()
    assert found([], []).pairs == ()
    assert found([LONG], ["yes"]).pairs == ()


def test_of_very_many_texts_so_many_are_compared_that_are_evenly_spread() -> None:
    count = MAX_TEXTS + 500
    texts = [f"{LONG} {i} x{chr(97 + i % 26)} {'ab' * (i // 26 % 40)} {i}" for i in range(count)]
    labels: list[str | None] = ["no" if i % 50 == 0 else "yes" for i in range(count)]
    result = found(texts, labels, apart(count, 8))
    assert (result.texts, result.compared) == (count, MAX_TEXTS)


@given(st.integers(2, 30), st.integers(0, 30), st.integers(1, 3))
def test_every_pair_is_near_and_no_text_with_a_near_one_is_missed(
    rows: int, seed: int, labels: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(rows, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [str(name) for name in random.integers(0, labels, rows)]
    texts = [f"{LONG} {'x' * (i + 1)}" for i in range(rows)]
    result = found(texts, list(names), vectors)
    cosines = vectors @ vectors.T
    for pair in result.pairs:
        a, b = int(pair.row_id[1:]), int(pair.other_row_id[1:])
        assert names[a] != names[b]
        assert pair.similarity == pytest.approx(float(cosines[a, b]), abs=1e-3)
    near = (cosines >= 0.9701) & (np.array(names)[:, None] != np.array(names))
    touched = {i for pair in result.pairs for i in (pair.row_id, pair.other_row_id)}
    for a, b in np.argwhere(near):
        assert touched & {f"r{a}", f"r{b}"}
