"""What a model rests on: columns shuffled between rows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from support.explained import counted, has, made, model, weighed, wide

from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.classify.explain.importance import (
    REPEATS,
    compose_rows,
    first_equal_rows,
    permutation_importance,
    players,
    predict_composed,
)


def test_the_planted_column_has_the_largest_importance() -> None:
    rows = made(300)
    for name, label in {
        "text": has(rows, "gull"),
        "height": (rows.numbers[:, 0] > 1000).astype(int),
        "sky": (rows.clean["category.sky"] == "fog").to_numpy().astype(int),
    }.items():
        predict = model(rows.take(np.arange(200)), label[:200])
        held = rows.take(np.arange(200, 300))

        def score(found: np.ndarray, truth: np.ndarray = label[200:]) -> float:
            return float((found.argmax(axis=1) == truth).mean())

        falls = {part["name"]: part for part in permutation_importance(predict, held, score)}
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
    found = permutation_importance(predict, rows, error(predict(rows)[:, 0]))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    names = [(part["name"], part["kind"]) for part in found]
    assert names[:3] == [("table", "table"), ("n01", "number"), ("n00", "number")]
    assert set(names[3:]) == {("text", "text"), ("n02", "number")}
    assert found[1]["deviation"] > 0
    assert [found[k]["fall"] for k in (3, 4)] == [0, 0]


def test_what_is_the_same_in_all_rows_costs_no_prediction() -> None:
    rows = made(50, text=[""] * 50, event_time=None, **{"number.height": [None] * 50})
    predict, calls = counted(weighed(0, 1))
    found = permutation_importance(predict, rows, lambda _: 0.0)
    # Only speed, sky and the table as a whole vary.
    assert sum(calls) <= 50 * (1 + 3 * REPEATS)
    assert {part["name"] for part in found} == {"text", "height", "speed", "sky", "table"}
    same = rows.take(np.zeros(50, dtype=np.intp))
    assert {part["fall"] for part in permutation_importance(predict, same, lambda _: 1.0)} == {0}


def test_the_importance_of_a_column_does_not_depend_on_which_others_there_are() -> None:
    few, more = wide(2), wide(2)
    more = Rows(more.clean.with_columns(pl.Series("category.a", list("xyz") * 20)), more.vectors)
    truth = weighed(1, 2)(few)[:, 0]
    found = [permutation_importance(weighed(1, 2), rows, error(truth), 7) for rows in (few, more)]
    falls = [{part["name"]: part["fall"] for part in parts} for parts in found]
    assert {name: falls[1][name] for name in falls[0]} == falls[0]


def test_a_score_that_is_not_defined_is_null_and_comes_last() -> None:
    rows = wide(1)
    truth = rows.numbers[:, 0]

    def score(found: np.ndarray) -> float:
        return 1.0 if np.allclose(found[:, 0], truth) else float("nan")

    found = permutation_importance(weighed(1), rows, score)
    assert [part["fall"] for part in found] == [0, None, None]


def test_importance_of_no_rows_is_zero() -> None:
    rows = made(5)
    found = permutation_importance(weighed(1, 1), rows.take(np.arange(0)), lambda _: 0.0)
    assert {part["fall"] for part in found} == {0}


def test_composed_rows_take_each_column_from_its_own_row() -> None:
    pool = made(6, **{"text.remarks": ["a b"] * 6, "label": list("xyzxyz")})
    pool = replace(pool, timezone="Asia/Tokyo")
    whom = players(pool)
    assert [one.name for one in whom] == ["text", "sky", "height", "speed", "event_time"]
    assert [one.kind for one in whom] == ["text", "category", "number", "number", "time"]
    assert whom[0].columns == ("text", "text.remarks")
    rows = compose_rows(pool, whom, np.array([[0, 1, 2, 3, 4], [5, 5, 5, 5, 5]]))
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
    same = first_equal_rows(pool, whom)
    assert same[:, 0].tolist() == [0, 1, 0, 3]  # the same text with another vector is not the same
    assert same[:, 3].tolist() == [0, 0, 0, 0]
    predict, calls = counted(weighed(0, 1))
    index = same[[0, 0, 2, 2, 0]]
    found = predict_composed(predict, pool, whom, index)
    np.testing.assert_array_equal(found, weighed(0, 1)(pool.take(np.array([0, 0, 2, 2, 0]))))
    assert calls == [2]
