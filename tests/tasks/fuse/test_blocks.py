"""Blocks of features: what each transformer makes of rows, and how they are balanced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.frames import rows_of
from support.hostile_texts import HOSTILE

from fusemine.tasks.fuse.blocks import Block, fit_blocks, spread
from fusemine.tasks.fuse.categories import CategoryEncoder
from fusemine.tasks.fuse.settings import FuseSettings, LearningWeights
from fusemine.tasks.fuse.tfidf import CharTfidf, Tfidf
from fusemine.tasks.fuse.transformers import BlockName, Matrix, Rows
from fusemine.tasks.stats.target import Target

ALL: dict[BlockName, float] = {"text": 1, "terms": 1, "numbers": 1, "categories": 1}
LEARNING: dict[BlockName, float] = {**ALL, "dates": 1, "levels": 1, "rates": 1}
WORDS = ["bird", "engine", "wing", "struck", "landing", "damage", "none", "runway"]


def rows(count: int = 60, seed: int = 0, **columns: Any) -> Rows:
    """Rows with texts of a few words, three numbers and two categories, or the columns given."""
    random = np.random.default_rng(seed)
    made: dict[str, Any] = {
        "text": [" ".join(random.choice(WORDS, 4)) for _ in range(count)],
        "number.height": random.exponential(1000, count),
        "number.speed": random.normal(100, 20, count),
        "number.mass": random.integers(1, 5, count).astype(float),
        "category.sky": random.choice(["clear", "cloud", "fog"], count).tolist(),
        "category.state": random.choice(["CA", "TX"], count).tolist(),
    }
    vectors = random.normal(size=(count, 16)).astype(np.float32)
    return rows_of({**made, **columns}, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def dated(count: int, seed: int = 0, **columns: Any) -> Rows:
    """Rows with a time of day and a category of many levels as well."""
    random = np.random.default_rng(seed)
    times = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=31 * i) for i in range(count)]
    operators = [f"{random.choice(WORDS)} air {i % 31}" for i in range(count)]
    return rows(count, seed, **{"event_time": times, "category.operator": operators, **columns})


def dense(matrix: Matrix) -> np.ndarray:
    return matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)


def fitted(given_rows: Rows, weights: dict[BlockName, float] = ALL, **chosen: Any) -> list[Block]:
    """Fit blocks and check what must hold of every one of them."""
    found = fit_blocks(given_rows, weights, FuseSettings(**chosen))
    for block, matrix in found:
        assert matrix.dtype == np.float32
        assert matrix.shape == (len(given_rows), len(block.features))
        assert all(name.startswith(f"{block.name}.") for name in block.features)
        assert len(set(block.features)) == len(block.features)
        assert np.isfinite(dense(matrix)).all()
        assert block.scale > 0
        np.testing.assert_array_equal(dense(block.transform(given_rows)), dense(matrix))
    return [block for block, _ in found]


def test_every_block_has_the_same_spread_however_wide_it_is() -> None:
    found = fit_blocks(rows(), ALL, FuseSettings())
    assert [block.name for block, _ in found] == list(ALL)
    assert len({len(block.features) for block, _ in found}) == 4
    assert [spread(matrix) for _, matrix in found] == pytest.approx([1] * 4, rel=1e-4)


def test_a_weight_scales_its_block_and_a_weight_of_zero_leaves_it_out() -> None:
    found = fit_blocks(rows(), {"numbers": 3.0, "text": 0.0}, FuseSettings())
    assert [block.name for block, _ in found] == ["numbers"]
    assert spread(found[0][1]) == pytest.approx(9, rel=1e-4)


def test_dividing_by_the_scale_gives_the_values_before_balancing() -> None:
    some = rows()
    ((block, matrix),) = fit_blocks(some, {"text": 2.0}, FuseSettings())
    np.testing.assert_allclose(matrix / block.scale, some.vectors, rtol=1e-5, atol=1e-7)


def test_blocks_with_nothing_in_them_are_left_out() -> None:
    assert fitted(rows_of({"text": ["", " ", ""]})) == []
    names = [block.name for block in fitted(rows_of({"text": ["a b", "", "c"]}))]
    assert names == ["terms"]
    only_table = rows_of({"text": ["", ""], "number.x": [1.0, 2.0], "category.y": ["a", None]})
    assert [block.name for block in fitted(only_table)] == ["numbers", "categories"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_few_rows_can_be_fitted_and_applied_to_others(count: int) -> None:
    for block in fitted(rows(count)):
        features = block.transform(rows(7, seed=1))
        assert features.shape == (7, len(block.features))
        assert np.isfinite(dense(features)).all()


def test_no_rows_can_be_fitted_and_transformed() -> None:
    some = rows()
    none = some.take(np.array([], dtype=np.intp))
    assert [block.name for block in fitted(none, {"terms": 1, "text": 1})] == []
    for block in fitted(some):
        assert block.transform(none).shape == (0, len(block.features))


def test_constant_columns_stay_small() -> None:
    same = rows_of({"text": ["a b"] * 5, "number.x": [7.0] * 5, "category.y": ["k"] * 5})
    for block in fitted(same):
        assert np.abs(dense(block.transform(same))).max() <= 1


def test_hostile_strings_are_only_text() -> None:
    some = rows(len(HOSTILE), text=HOSTILE, **{"category.sky": HOSTILE})
    assert [block.name for block in fitted(some)] == list(ALL)


def test_a_block_fitted_on_a_fold_knows_nothing_of_other_rows() -> None:
    some = rows()
    part = some.take(np.arange(30))
    text = pl.when(pl.int_range(pl.len()) < 30).then("text").otherwise(pl.lit("unheard of"))
    changed = Rows(some.clean.with_columns(text=text), some.vectors)
    before, after = fitted(part), fitted(changed.take(np.arange(30)))
    assert [block.features for block in before] == [block.features for block in after]
    assert [block.scale for block in before] == [block.scale for block in after]


def test_a_classifier_has_a_weight_for_every_block() -> None:
    assert set(LearningWeights.model_fields) == set(LEARNING)


@pytest.mark.parametrize("classes", [0, 2, 4])
@pytest.mark.parametrize("reduce", ["none", "pca", "pls"])
def test_all_blocks_are_fitted_with_a_label_and_named_after_their_block(
    classes: int, reduce: str
) -> None:
    some = dated(80)
    label = Target(np.arange(80) % (classes or 7), classes)
    settings = FuseSettings(many_levels=20, reduce=reduce, dimensions=5)
    found = fit_blocks(some, LEARNING, settings, label)
    assert [block.name for block, _ in found] == list(LEARNING)
    for block, matrix in found:
        assert matrix.dtype == np.float32
        assert matrix.shape == (80, len(block.features)) == block.transform(some).shape
        assert all(name.startswith(f"{block.name}.") for name in block.features)
        assert spread(matrix) == pytest.approx(1, rel=1e-4)


def test_without_a_label_there_are_no_rates_and_the_other_blocks_are_fitted() -> None:
    blocks = fitted(dated(80), LEARNING, many_levels=20)
    assert [block.name for block in blocks] == [n for n in LEARNING if n != "rates"]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_very_few_labelled_rows_can_be_fitted_and_applied_to_others(
    count: int, classes: int
) -> None:
    settings = FuseSettings(many_levels=2, reduce="pls", scaling="periodic")
    label = Target(np.arange(count) % (classes or 2), classes)
    for block, matrix in fit_blocks(dated(count), LEARNING, settings, label):
        assert np.isfinite(dense(matrix)).all()
        assert np.isfinite(dense(block.transform(dated(7, seed=1)))).all()
        assert block.transform(dated(0)).shape == (0, len(block.features))


def test_columns_without_a_single_value_teach_nothing() -> None:
    none = [None] * 30
    some = rows_of({"text": [""] * 30, "event_time": none, "number.x": none, "category.y": none})
    found = fit_blocks(some, LEARNING, FuseSettings(many_levels=2), Target(np.arange(30) % 2, 2))
    assert [block.name for block, _ in found] == ["numbers", "categories"]
    assert all(spread(matrix) == 0 for _, matrix in found)


def test_hostile_levels_are_only_names() -> None:
    some = dated(len(HOSTILE) * 3, **{"category.operator": HOSTILE * 3})
    label = Target(np.arange(len(some)) % 2, 2)
    settings = FuseSettings(many_levels=2)
    found = {b.name: m for b, m in fit_blocks(some, LEARNING, settings, label)}
    assert list(found) == list(LEARNING)
    assert all(np.isfinite(dense(matrix)).all() for matrix in found.values())


def test_the_same_rows_give_the_same_bits() -> None:
    label, settings = Target(np.arange(80) % 3, 3), FuseSettings(many_levels=20, reduce="pls")
    first, second = (fit_blocks(dated(80), LEARNING, settings, label) for _ in range(2))
    for (_, matrix), (_, again) in zip(first, second, strict=True):
        assert dense(matrix).tobytes() == dense(again).tobytes()


def test_rare_levels_are_pooled_and_new_ones_join_them() -> None:
    some = rows_of({"category.sky": ["fog"] * 4 + ["clear"] * 3 + [None] * 2 + ["hail"]})
    part = CategoryEncoder(FuseSettings()).fit(some)
    names = ["sky = (missing)", "sky = clear", "sky = fog", "sky = (rare)"]
    assert part.get_feature_names_out() == names
    new = rows_of({"category.sky": ["hail", "frogs", None, "fog"]})
    assert part.codes(new)[:, 0].tolist() == [3, 3, 0, 2]
    assert dense(part.transform(new)).argmax(axis=1).tolist() == [3, 3, 0, 2]


def test_of_many_levels_the_most_frequent_get_a_feature() -> None:
    levels = [f"l{i:03}" for i in range(50) for _ in range(2 + i % 7)]
    part = CategoryEncoder(FuseSettings(max_levels=5)).fit(rows_of({"category.k": levels}))
    names = [f"k = l{i:03}" for i in (6, 13, 20, 27, 34)]
    assert part.get_feature_names_out() == [*names, "k = (rare)"]


@given(st.lists(st.lists(st.sampled_from(["a", "b", None, ""]), min_size=2, max_size=2)))
def test_every_row_has_one_level_of_each_category(levels: list[list[str | None]]) -> None:
    some = rows_of({f"category.{k}": [pair[k] for pair in levels] for k in (0, 1)})
    part = CategoryEncoder(FuseSettings()).fit(some)
    features = dense(part.transform(some))
    assert (features.sum(axis=1) == 2).all()
    assert features.shape == (len(levels), len(part.get_feature_names_out()))


def test_terms_are_words_and_character_sequences_of_unit_length() -> None:
    some = rows_of({"text": ["No damage", "no Damage to engine", "", "engine"]})
    part = Tfidf(max_features=100).fit(some)
    names = part.get_feature_names_out()
    assert {"word.no damage", "word.engine", "chars.dam", "chars. en"} <= set(names)
    features = dense(part.transform(some))
    halves = [[i for i, n in enumerate(names) if n.startswith(p)] for p in ("word.", "chars.")]
    for half in halves:
        lengths = np.linalg.norm(features[:, half], axis=1)
        assert lengths.tolist() == pytest.approx([1, 1, 0, 1], abs=1e-6)


def test_character_sequences_are_those_of_scikit_learn() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [*rows(80).texts, "Bird  strikes?\n Two BIRDS", "", "x", "ab-cd é"]
    ours = CharTfidf(min_df=1, max_features=10_000)
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    expected = theirs.fit_transform(texts).toarray()
    np.testing.assert_allclose(dense(ours.fit_transform(texts)), expected, atol=1e-6)
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())
    new = ["unseen words of birds", "", "wing"]
    expected = theirs.transform(new).toarray()
    np.testing.assert_allclose(dense(ours.transform(new)), expected, atol=1e-6)
    np.testing.assert_array_equal(dense(ours.transform(["", " "])), 0)


def test_the_most_frequent_terms_are_kept_where_there_are_too_many() -> None:
    part = Tfidf(max_features=7).fit(rows(200))
    names = part.get_feature_names_out()
    assert sum(name.startswith("word.") for name in names) == 7
    assert sum(name.startswith("chars.") for name in names) == 7


@pytest.mark.parametrize(
    "texts",
    [["!!!", "???", "!?"], [f"{i:x}".replace("0", "z") * 3 for i in range(1000, 1150)]],
    ids=["no words", "none repeats"],
)
def test_texts_without_words_that_repeat_have_character_sequences_only(texts: list[str]) -> None:
    names = Tfidf(max_features=50).fit(rows_of({"text": texts})).get_feature_names_out()
    assert names
    assert all(name.startswith("chars.") for name in names)
