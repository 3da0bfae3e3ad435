"""Explanations: what columns and words add to a prediction, and which rows are worth one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.fuse.blocks import fit_blocks
from tasks.fuse.parts import BlockName, Rows
from tasks.fuse.settings import FuseSettings
from tasks.learn.explain.explain import FEATURES, VALUE, RowExplanation, choose, explain_rows
from tasks.learn.explain.importance import (
    BATCH,
    Predict,
    alike,
    compose,
    evenly,
    importance,
    players,
    predict_composed,
)
from tasks.learn.explain.occlusion import GAP, MOST, PIECE, SHOWN, Word, bounded, occlude
from tasks.learn.explain.shapley import BACKGROUND, EVALUATIONS, Outcome, shapley

WORDS = ["bird", "engine", "wing", "landing", "runway", "none", "gull", "flight"]
HOSTILE = [
    "<script>alert(1)</script>",
    "{{7*7}} {% raw %}",
    "\x00\x01",
    "…!?",
    "鳥がエンジンに衝突",
    "\U0001f426" * 40,
    "a" * 20_000,
    " \t\n",
    "",
    "'; DROP TABLE birds; --",
    "!" * 20_000 + "a",
    '"\\" </text> [x](javascript:1)',
]
BINARY = Outcome(("no", "yes"), positive=1)
NUMBER = Outcome()
START = datetime(1996, 5, 1, tzinfo=UTC)


def made(count: int = 120, seed: int = 0, **columns: Any) -> Rows:
    """Rows of texts, two numbers, a category and a time, or with the columns given."""
    random = np.random.default_rng(seed)
    table: dict[str, Any] = {
        "row_id": [f"r{i}" for i in range(count)],
        "event_time": [START + timedelta(days=i) for i in range(count)],
        "text": [" ".join(random.choice(WORDS, 6)) for _ in range(count)],
        "number.height": random.normal(1000, 300, count),
        "number.speed": random.normal(100, 20, count),
        "category.sky": random.choice(["clear", "cloud", "fog"], count).tolist(),
    }
    table = {name: held for name, held in {**table, **columns}.items() if held is not None}
    types = {name: pl.Float64 if name.startswith("number.") else None for name in table}
    types |= dict.fromkeys([name for name in table if name.startswith("category.")], pl.String)
    return Rows(pl.DataFrame(table, schema_overrides=known(types)), vectors_of(table["text"]))


def known(types: dict[str, Any]) -> dict[str, Any]:
    return {name: dtype for name, dtype in types.items() if dtype is not None}


def vectors_of(texts: list[str]) -> np.ndarray:
    """Vectors of how often the words come, zero without any."""
    return np.array([[text.split().count(word) for word in WORDS] for text in texts], np.float32)


def model(rows: Rows, label: np.ndarray, *blocks: BlockName) -> Predict:
    """Logistic regression on balanced blocks of these rows."""
    from sklearn.linear_model import LogisticRegression

    names: tuple[BlockName, ...] = blocks or ("terms", "text", "numbers", "categories")
    fitted = fit_blocks(rows, dict.fromkeys(names, 1.0), FuseSettings())
    parts = [block for block, _ in fitted]

    def features(some: Rows) -> np.ndarray:
        found = [block.transform(some) for block in parts]
        return np.hstack([part.toarray() if hasattr(part, "toarray") else part for part in found])

    estimator = LogisticRegression(max_iter=200).fit(features(rows).astype(float), label)
    return lambda some: np.asarray(estimator.predict_proba(features(some).astype(float)))


def weighed(*weights: float) -> Predict:
    """A linear model of the number columns."""
    return lambda rows: rows.numbers @ np.array(weights).reshape(-1, 1)


def counted(predict: Predict) -> tuple[Predict, list[int]]:
    """The model, and how many rows each of its calls was asked for."""
    calls: list[int] = []

    def counting(rows: Rows) -> np.ndarray:
        calls.append(len(rows))
        return predict(rows)

    return counting, calls


def says(rows: Rows, word: str) -> np.ndarray:
    return np.array([word in text.split() for text in rows.texts]).astype(int)


def total(told: RowExplanation) -> float:
    return told.base + told.others + sum(feature.contribution for feature in told.features)


def wide(columns: int, count: int = 60) -> Rows:
    """Rows without text and with so many numbers."""
    random = np.random.default_rng(columns)
    numbers = {f"number.n{i:02}": random.normal(size=count) for i in range(columns)}
    none = dict.fromkeys(["event_time", "number.height", "number.speed", "category.sky"])
    return made(count, text=[""] * count, **none, **numbers)


@pytest.mark.parametrize("probability", [True, False])
@pytest.mark.parametrize("columns", [2, 9])
def test_contributions_add_up_to_the_prediction(columns: int, probability: bool) -> None:
    extra = {f"category.k{i}": made(seed=i).clean["category.sky"] for i in range(columns - 2)}
    rows = made(**extra)
    predict = model(rows, says(rows, "gull"))
    outcome = Outcome(("no", "yes"), positive=1, probability=probability)
    some = rows.take(np.array([3, 50, 50]))
    explained = explain_rows(predict, some, rows, outcome)
    predictions = outcome.values(predict(some), np.array([1, 1, 1]))
    held_against = predict(rows.take(evenly(len(rows), BACKGROUND)))
    base = outcome.values(held_against, np.ones(BACKGROUND, dtype=np.intp)).mean()
    for told, prediction in zip(explained, predictions, strict=True):
        assert told.prediction == pytest.approx(prediction)
        assert told.base == pytest.approx(base)
        assert total(told) == pytest.approx(told.prediction)
    assert explained[1].to_json() == explained[2].to_json()


@given(st.integers(0, 10_000))
@settings(max_examples=10)
def test_contributions_add_up_whatever_the_rows(seed: int) -> None:
    rows = made(30, seed)
    label = says(rows, "gull") if 0 < says(rows, "gull").sum() < 30 else np.arange(30) % 2
    for told in explain_rows(model(rows, label), rows.take(np.array([0, 7])), rows, BINARY):
        assert total(told) == pytest.approx(told.prediction)


@pytest.mark.parametrize("columns", [1, 3, 12])
def test_of_a_linear_model_the_contributions_are_known(columns: int) -> None:
    rows, weights = wide(columns), np.arange(1.0, columns + 1)
    some = rows.take(np.array([1, 2]))
    base, contributions = shapley(weighed(*weights), some, rows, NUMBER, np.zeros(2, dtype=np.intp))
    mean = rows.take(evenly(len(rows), BACKGROUND)).numbers.mean(axis=0)
    np.testing.assert_allclose(base, np.tile(mean @ weights, 2))
    np.testing.assert_allclose(contributions[:, 0], 0, atol=1e-12)  # there is no text
    np.testing.assert_allclose(contributions[:, 1:], (some.numbers - mean) * weights, atol=1e-12)


@pytest.mark.parametrize("columns", [2, 12])
def test_what_two_columns_do_together_is_shared_between_them(columns: int) -> None:
    rows = wide(columns)
    one = rows.take(np.array([5]))
    both = lambda some: some.numbers[:, :1] * some.numbers[:, 1:2]  # noqa: E731
    _, contributions = shapley(both, one, rows, NUMBER, np.zeros(1, dtype=np.intp))
    x, background = one.numbers[0], rows.take(evenly(len(rows), BACKGROUND)).numbers
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
        assert sum(calls) <= 6 * EVALUATIONS * 1.1 + 12
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
    explained = explain_rows(predict, rows.take(np.arange(9)), rows, Outcome(("a", "b", "c")))
    assert [told.output for told in explained] == ["abc"[code] for code in label[:9]]
    for told in explained:
        assert told.scale == "log-odds"
        assert told.features[0].name == "sky"
        assert told.features[0].contribution > 0
        assert total(told) == pytest.approx(told.prediction)


def test_certain_probabilities_have_finite_log_odds() -> None:
    rows = made()
    certain = lambda some: np.eye(2)[(some.numbers[:, 0] > 1000).astype(int)]  # noqa: E731
    for told in explain_rows(certain, rows.take(np.arange(4)), rows, BINARY):
        assert told.features[0].name == "height"
        assert np.isfinite(total(told))


def test_values_are_shown_on_one_short_line() -> None:
    rows = made(
        40,
        text=["a\n b " * 100] * 40,
        **{"number.height": [0.1 + 0.2, None] * 20, "category.sky": [None, "x\ty" * 99] * 20},
    )
    first, second = explain_rows(weighed(1, 1), rows.take(np.arange(2)), rows, NUMBER)
    shown = {feature.name: feature.value for feature in first.features}
    assert shown["height"] == "0.3"
    assert shown["sky"] == "(missing)"
    assert shown["text"].startswith("a b a b")
    assert shown["event_time"].startswith("1996-05-01")
    assert len(shown["text"]) == VALUE
    assert all(len(feature.value) <= VALUE for feature in second.features)


def test_the_columns_that_add_most_are_told_and_the_others_summed() -> None:
    rows = wide(14)
    (told,) = explain_rows(weighed(*range(14)), rows.take(np.array([0])), rows, NUMBER)
    sizes = [abs(feature.contribution) for feature in told.features]
    assert len(sizes) == FEATURES
    assert sizes == sorted(sizes, reverse=True)
    assert told.others != 0
    assert total(told) == pytest.approx(told.prediction)


def test_hostile_content_is_told_as_it_is_and_fits_json() -> None:
    count = len(HOSTILE)
    rows = made(count, text=HOSTILE, row_id=HOSTILE, **{"category.<b>{{x}}": HOSTILE})
    predict = model(rows, np.arange(count) % 2)
    explained = explain_rows(predict, rows, rows, BINARY, encode=vectors_of)
    for text, told in zip(HOSTILE, explained, strict=True):
        assert told.row_id == text
        assert total(told) == pytest.approx(told.prediction)
        cut = [word if len(word) <= PIECE else word[: PIECE - 1] + GAP for word in text.split()]
        assert [word.text for word in told.words] == cut
        found = told.to_json()
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert len(json.dumps(found["words"], ensure_ascii=False)) < 2 * SHOWN


def test_a_table_without_text_has_no_words() -> None:
    rows = wide(2)
    for told in explain_rows(weighed(1, 2), rows.take(np.arange(3)), rows, NUMBER):
        assert told.words == ()
        assert {f.name: f.contribution for f in told.features}["text"] == pytest.approx(0)


def test_a_table_of_texts_alone_is_explained_by_its_words() -> None:
    none = dict.fromkeys(["event_time", "number.height", "number.speed", "category.sky"])
    rows = made(**none)
    (told,) = explain_rows(model(rows, says(rows, "gull")), rows.take(np.array([0])), rows, BINARY)
    assert [feature.name for feature in told.features] == ["text"]
    assert total(told) == pytest.approx(told.prediction)
    assert [word.text for word in told.words] == rows.texts[0].split()


def test_no_rows_have_no_explanations() -> None:
    rows = wide(2)
    assert explain_rows(weighed(1, 2), rows.take(np.arange(0)), rows, NUMBER) == []


@pytest.mark.parametrize("word", ["gull", "engine"])
def test_a_planted_word_gets_the_largest_weight(word: str) -> None:
    rows = made(300)
    label = says(rows, word)
    predict = model(rows, label, "terms")
    some = rows.take(np.flatnonzero(label)[:5])
    for told in explain_rows(predict, some, rows, BINARY, whys=["surest"] * 5):
        assert told.why == "surest"
        assert max(told.words, key=lambda each: abs(each.weight)).text == word
        assert all(each.weight > 0 for each in told.words if each.text == word)


def test_a_repeated_word_is_left_out_everywhere_at_once() -> None:
    rows = made(2, text=["Gull hit wing, gull! GULL", "no birds"])
    asked: list[str] = []

    def ask(altered: Rows, owners: np.ndarray) -> np.ndarray:
        asked.extend(altered.texts)
        return np.array([text.casefold().count("gull") for text in altered.texts], dtype=float)

    words, others = occlude(ask, rows)
    assert asked[:4] == [
        "Gull hit wing, gull! GULL",
        "hit wing,",
        "Gull wing, gull! GULL",
        "Gull hit gull! GULL",
    ]
    assert [(word.text, word.weight) for word in words] == [
        ("Gull", 3),
        ("hit", 0),
        ("wing,", 0),
        ("gull!", 3),
        ("GULL", 3),
    ]
    assert [word.weight for word in others] == [0, 0]


def test_altered_texts_get_their_own_vectors_if_there_is_an_encoder() -> None:
    rows = made(200)
    label = says(rows, "gull")
    predict = model(rows, label, "text")
    some = rows.take(np.flatnonzero(label)[:2])
    encoded: list[str] = []

    def encode(texts: list[str]) -> np.ndarray:
        encoded.extend(texts)
        return vectors_of(texts)

    for told in explain_rows(predict, some, rows, BINARY, encode):
        assert told.vectors == "recomputed"
        assert max(told.words, key=lambda each: abs(each.weight)).text == "gull"
    assert len(encoded) == len(set(encoded))
    for told in explain_rows(predict, some, rows, BINARY):
        assert told.vectors == "kept"
        assert {word.weight for word in told.words} == {0}


def test_a_text_without_its_only_word_has_the_vector_of_no_text() -> None:
    rows = made(1, text=["gull"])
    seen: list[np.ndarray] = []

    def ask(altered: Rows, owners: np.ndarray) -> np.ndarray:
        seen.append(altered.vectors)
        return np.zeros(len(altered))

    occlude(ask, rows, encode=lambda texts: np.ones((len(texts), len(WORDS)), np.float32))
    assert seen[0].tolist() == [[1.0] * len(WORDS), [0.0] * len(WORDS)]


@given(st.lists(st.text(st.characters(categories=["L", "P", "Nd"]), min_size=1), max_size=200))
@settings(max_examples=40)
def test_pieces_are_the_text_in_order_however_long_it_is(words: list[str]) -> None:
    text = " ".join(words)
    sizes: list[int] = []

    def ask(altered: Rows, owners: np.ndarray) -> np.ndarray:
        sizes.append(len(altered))
        return np.array([len(each) for each in altered.texts], dtype=float)

    (pieces,) = occlude(ask, made(1, text=[text]))
    assert " ".join(piece.text for piece in pieces).split() == text.split()
    assert sizes[0] <= MOST + 1
    assert all(piece.weight >= len(piece.text) for piece in pieces)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=300), st.floats(-9, 9)), max_size=80))
def test_shown_words_are_few_and_the_weightiest(given_words: list[tuple[str, float]]) -> None:
    words = [Word(text, weight) for text, weight in given_words]
    shown = bounded(words)
    assert len(" ".join(word.text for word in shown)) <= SHOWN
    heaviest = max((abs(word.weight) for word in words), default=0)
    assert max((abs(word.weight) for word in shown), default=0) == heaviest
    if sum(min(len(word.text), PIECE) + 1 for word in words) <= SHOWN:
        assert [word.weight for word in shown] == [word.weight for word in words]


def test_gaps_stand_where_words_of_a_long_text_are_left_out() -> None:
    words = [Word(f"word{i:03}", float(i in (3, 4, 150))) for i in range(200)]
    shown = [word.text for word in bounded(words, 50)]
    assert {"word003", "word004", "word150"} <= set(shown)
    assert shown[-1] == GAP
    assert all(pair != (GAP, GAP) for pair in pairwise(shown))


def test_the_planted_column_has_the_largest_importance() -> None:
    rows = made(300)
    for name, label in {
        "text": says(rows, "gull"),
        "height": (rows.numbers[:, 0] > 1000).astype(int),
        "sky": (rows.clean["category.sky"] == "fog").to_numpy().astype(int),
    }.items():
        predict = model(rows.take(np.arange(200)), label[:200])
        held = rows.take(np.arange(200, 300))

        def score(found: np.ndarray, truth: np.ndarray = label[200:]) -> float:
            return float((found.argmax(axis=1) == truth).mean())

        falls = {part["name"]: part for part in importance(predict, held, score)}
        alone = [part for part in falls.values() if part["kind"] != "table"]
        assert alone[0]["name"] == name
        assert alone[0]["fall"] > 0.15
        assert falls["event_time"]["fall"] == 0  # which this model does not read
        assert (falls["table"]["fall"] > 0.15) == (name != "text")


def error(truth: np.ndarray) -> Any:
    return lambda found: -float(np.square(found[:, 0] - truth).mean())


def test_importance_is_json_ready_and_ordered() -> None:
    rows = wide(3)
    predict = weighed(4, 5, 0)
    found = importance(predict, rows, error(predict(rows)[:, 0]))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    names = [(part["name"], part["kind"]) for part in found]
    assert names[:3] == [("table", "table"), ("n01", "number"), ("n00", "number")]
    assert set(names[3:]) == {("text", "text"), ("n02", "number")}
    assert found[1]["deviation"] > 0
    assert [found[k]["fall"] for k in (3, 4)] == [0, 0]


def test_what_is_the_same_in_all_rows_costs_no_prediction() -> None:
    rows = made(50, text=[""] * 50, event_time=None, **{"number.height": [None] * 50})
    predict, calls = counted(weighed(0, 1))
    found = importance(predict, rows, lambda _: 0.0, repeats=2)
    # Only speed, sky and the table as a whole vary.
    assert sum(calls) <= 50 * (1 + 3 * 2)
    assert {part["name"] for part in found} == {"text", "height", "speed", "sky", "table"}
    same = rows.take(np.zeros(50, dtype=np.intp))
    assert {part["fall"] for part in importance(predict, same, lambda _: 1.0)} == {0}


def test_the_importance_of_a_column_does_not_depend_on_which_others_there_are() -> None:
    few, more = wide(2), wide(2)
    more = Rows(more.clean.with_columns(pl.Series("category.a", list("xyz") * 20)), more.vectors)
    truth = weighed(1, 2)(few)[:, 0]
    falls = [
        {part["name"]: part["fall"] for part in importance(weighed(1, 2), rows, error(truth), 7)}
        for rows in (few, more)
    ]
    assert {name: falls[1][name] for name in falls[0]} == falls[0]


def test_a_score_that_is_not_defined_is_null_and_comes_last() -> None:
    rows = wide(1)
    truth = rows.numbers[:, 0]

    def score(found: np.ndarray) -> float:
        return 1.0 if np.allclose(found[:, 0], truth) else float("nan")

    found = importance(weighed(1), rows, score)
    assert [part["fall"] for part in found] == [0, None, None]


def test_importance_of_no_rows_is_zero() -> None:
    rows = made(5)
    found = importance(weighed(1, 1), rows.take(np.arange(0)), lambda _: 0.0)
    assert {part["fall"] for part in found} == {0}


def test_composed_rows_take_each_column_from_its_own_row() -> None:
    pool = made(6, **{"text.remarks": ["a b"] * 6, "label": list("xyzxyz")})
    pool = replace(pool, timezone="Asia/Tokyo")
    whom = players(pool)
    assert [(one.name, one.kind) for one in whom] == [
        ("text", "text"),
        ("sky", "category"),
        ("height", "number"),
        ("speed", "number"),
        ("event_time", "time"),
    ]
    assert whom[0].columns == ("text", "text.remarks")
    rows = compose(pool, whom, np.array([[0, 1, 2, 3, 4], [5, 5, 5, 5, 5]]))
    assert rows.clean.columns == pool.clean.columns
    assert rows.clean[1].equals(pool.clean[5])
    assert rows.timezone == "Asia/Tokyo"
    for name, row in {"text": 0, "category.sky": 1, "number.height": 2, "event_time": 4}.items():
        assert rows.clean[name][0] == pool.clean[name][row]
    np.testing.assert_array_equal(rows.vectors, pool.vectors[[0, 5]])


def test_rows_that_are_alike_are_predicted_once() -> None:
    pool = made(4, text=["a", "b", "a", "a"], event_time=None, **{"number.speed": [1.0] * 4})
    pool = replace(pool, vectors=np.array([[1], [1], [1], [2]], np.float32))
    whom = players(pool)
    same = alike(pool, whom)
    assert same[:, 0].tolist() == [0, 1, 0, 3]  # the same text with another vector is not the same
    assert same[:, 3].tolist() == [0, 0, 0, 0]
    predict, calls = counted(weighed(0, 1))
    index = same[[0, 0, 2, 2, 0]]
    found = predict_composed(predict, pool, whom, index)
    np.testing.assert_array_equal(found, weighed(0, 1)(pool.take(np.array([0, 0, 2, 2, 0]))))
    assert calls == [2]


@given(st.integers(0, 500), st.integers(1, 50))
def test_a_sample_is_even_and_in_order(rows: int, most: int) -> None:
    found = evenly(rows, most)
    assert len(set(found.tolist())) == len(found) == min(rows, most)
    if len(found) > 1:
        steps = np.diff(found)
        assert steps.max() - steps.min() <= 1
        assert 0 <= found[0] <= found[-1] < rows


def test_rows_to_explain_are_sure_mistaken_and_close_in_equal_parts() -> None:
    yes = np.array([0.99, 0.98, 0.97, 0.52, 0.49, 0.01, 0.95, 0.05, 0.02])
    truth = np.array([1, 0, 1, 1, 0, 0, 1, 1, -1])
    found = choose(np.column_stack([1 - yes, yes]), truth, 6, positive=1)
    assert [(choice.row, choice.why) for choice in found] == [
        (0, "surest"),
        (2, "surest"),
        (1, "mistake"),  # a false alarm
        (7, "mistake"),  # and a positive that was missed
        (4, "close"),
        (3, "close"),
    ]


def test_the_threshold_says_what_is_called_positive_and_what_is_close_to_it() -> None:
    yes = np.array([0.25, 0.15, 0.9, 0.6])
    found = choose(np.column_stack([1 - yes, yes]), np.array([0, 1, 1, 1]), 4, 0, 1, 0.2)
    assert {choice.row: choice.why for choice in found} == {
        2: "surest",
        1: "mistake",
        0: "close",
        3: "surest",
    }


def test_without_mistakes_other_rows_take_their_place() -> None:
    yes = np.linspace(0.1, 0.9, 9)
    table = np.column_stack([1 - yes, yes])
    for truth in (None, (yes >= 0.5).astype(int)):
        found = choose(table, truth, 4, positive=1)
        assert sorted(choice.why for choice in found) == ["close", "close", "surest", "surest"]


def test_of_numbers_the_highest_the_most_wrong_and_the_most_typical_are_chosen() -> None:
    numbers = np.array([[1.0], [2.0], [3.0], [4.0], [50.0]])
    found = choose(numbers, np.array([1.0, 9.0, 3.0, np.nan, 50.0]), 3)
    assert [(choice.row, choice.why) for choice in found] == [
        (4, "highest"),
        (1, "error"),
        (2, "typical"),
    ]


@given(
    st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), max_size=30),
    st.integers(0, 12),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_chosen_rows_are_distinct_and_as_many_as_wanted(
    shares: list[list[float]], count: int, positive: int | None, labelled: bool
) -> None:
    table = np.array(shares).reshape(-1, 3)
    table = table / table.sum(axis=1, keepdims=True)
    truth = np.arange(len(table)) % 4 - 1 if labelled else None
    found = choose(table, truth, count, 1, positive)
    chosen = [choice.row for choice in found]
    assert len(set(chosen)) == len(chosen) == min(count, len(table))
    assert found == choose(table, truth, count, 1, positive)
    for choice in found:
        if choice.why == "mistake":
            assert truth is not None
            assert 0 <= truth[choice.row] != table[choice.row].argmax()
