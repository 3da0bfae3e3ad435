"""Detectors that are fitted once and judge further rows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_rows import Floats, clean_table, cloud, mixed, unit
from pydantic import BaseModel
from sklearn.base import BaseEstimator

from fusemine.tasks.fuse.tfidf import Terms
from fusemine.tasks.mine.anomalies.anomalies import Anomalies, anomaly
from fusemine.tasks.mine.anomalies.detectors import Detectors, fit_detectors
from fusemine.tasks.mine.anomalies.flagging import FEW, Grounds
from fusemine.tasks.mine.anomalies.reasons.references import Lookup
from fusemine.tasks.mine.anomalies.score_views import known_rows, look
from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
from fusemine.tasks.mine.anomalies.views.mahalanobis import Apart
from fusemine.tasks.mine.anomalies.views.sparse_neighbours import Quick
from fusemine.tasks.mine.anomalies.views.view import Table
from fusemine.tasks.table.roles import NUMBER
from fusemine.tasks.text.words import words

SCORES = ["p_value", "score", "text_score", "table_score", "match_score", "time_score"]
LAST = 100


@cache
def fitted() -> Detectors:
    clean, vectors, table, names, new = mixed()
    return fit_detectors(clean, vectors, table, names, AnomaliesSettings(), new)


@cache
def window() -> Anomalies:
    clean, vectors, table, names, new = mixed()
    return anomaly(clean, vectors, table, names, AnomaliesSettings(), new)


@cache
def grounds() -> Grounds:
    clean, vectors, table, names, new = mixed()
    known = known_rows(clean.height, new)
    return look(Table.of(clean, table, names), vectors, known, lambda _, __: None).grounds


@cache
def fresh() -> tuple[pl.DataFrame, Floats, Floats]:
    clean, vectors, table, _, _ = mixed()
    return clean[-LAST:], vectors[-LAST:], table[-LAST:]


def first(rows: int) -> tuple[pl.DataFrame, Floats, Floats]:
    clean, vectors, table = fresh()
    return clean[:rows], vectors[:rows], table[:rows]


def odd() -> tuple[pl.DataFrame, Floats, Floats]:
    """Three new rows, of which the second is like no other."""
    clean, vectors, table = first(3)
    texts = pl.Series([clean["text"][0], "hydraulic pump burst over sea", clean["text"][2]])
    far, wide = vectors.copy(), table.copy()
    far[1] = [0, 0, 0, 0, 0, 0, 0, -1]
    wide[1] = 30
    return clean.with_columns(text=texts, has_text=True), far, wide


def scored(rows: Any, by: Detectors | None = None) -> pl.DataFrame:
    return (by or fitted()).score(*(its[rows] for its in fresh()))


def test_new_rows_score_as_they_do_in_their_window() -> None:
    found, expected = scored(slice(None)), window().rows[-LAST:]
    assert found.select(SCORES).equals(expected.select(SCORES))
    assert {"burst"} == set(window().bursts["kind"])
    for name in SCORES:
        assert found[name].n_unique() > 1


def test_reasons_are_those_that_the_window_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusemine.tasks.mine.anomalies.detectors.TOLD", 0.999)
    found = scored(slice(None))
    told = np.flatnonzero(found["reason"].is_not_null().to_numpy())
    assert len(told) > LAST / 2
    first = len(grounds().known) - LAST
    said = [found["reason"][row] for row in told.tolist()]
    assert said == [grounds().reason(first + row) for row in told.tolist()]
    for part in ("rare word", "the text reads like", "rows in 09, where", "occurs in no earlier"):
        assert any(part in reason for reason in said), part


def test_rare_rows_have_a_reason_and_others_have_none() -> None:
    found = fitted().score(*odd())
    assert (found["p_value"] <= 0.01).to_list() == [False, True, False]
    assert found["reason"].is_not_null().to_list() == [False, True, False]


@pytest.mark.parametrize("size", [1, 5])
def test_a_row_scores_the_same_in_a_batch_of_any_size(size: int) -> None:
    parts = [scored(slice(i, i + size)) for i in range(0, 20 * size, size)]
    assert pl.concat(parts).equals(scored(slice(None))[: 20 * size])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, LAST - 1), max_size=40))
def test_a_row_scores_the_same_whatever_comes_with_it(rows: list[int]) -> None:
    assert scored(rows).equals(scored(slice(None))[rows])


def test_rows_that_are_looked_at_on_several_threads_score_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = scored(slice(None))
    monkeypatch.setattr("fusemine.tasks.mine.anomalies.detectors.LEAST", 9)
    monkeypatch.setattr("fusemine.tasks.mine.anomalies.detectors.threads", lambda: 2)
    assert scored(slice(None)).equals(before)


def test_of_no_rows_nothing_comes() -> None:
    assert scored([]).schema == scored([0]).schema
    assert scored([]).height == 0


def test_rows_of_a_later_partition_are_judged_by_the_other_views() -> None:
    clean, vectors, table = fresh()
    later = fitted().score(clean.with_columns(partition=pl.lit("10")), vectors, table)
    without = replace(fitted(), time=None).score(clean, vectors, table)
    assert later["time_score"].null_count() == LAST
    assert later.equals(without)
    assert not later["p_value"].equals(scored(slice(None))["p_value"])


def test_a_level_that_history_does_not_have_and_an_empty_number_do_no_harm() -> None:
    clean, vectors, table = fresh()
    odd = clean.with_columns(pl.lit("Atlantis").alias("category.gate")).with_columns(
        pl.lit(None, pl.Float64).alias("number.size")
    )
    assert fitted().score(odd, vectors, table * np.nan)["p_value"].is_between(0, 1).all()


parts = (type(None), bool, int, float, str)


def state(value: Any) -> Iterator[Any]:
    """All that a value is stored as, by its fields or its state."""
    yield value
    if isinstance(value, dict):
        inner: list[Any] = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        inner = list(value)
    elif isinstance(value, (*parts, np.ndarray, BaseEstimator, Terms, BaseModel)):
        inner = []
    else:
        inner = list(value.__getstate__().values())
    for its in inner:
        yield from state(its)


def test_the_state_holds_plain_values_numbers_and_estimators_alone() -> None:
    fitted().score(*fresh())
    for its in state(fitted()):
        if isinstance(its, np.ndarray):
            assert its.dtype.kind in "bfiu"
        elif not isinstance(its, (*parts, dict, list, tuple, BaseEstimator)):
            assert type(its).__module__.startswith("tasks.")
            assert not isinstance(its, pl.DataFrame | pl.Series)
        if isinstance(its, dict):
            assert all(isinstance(key, str) for key in its)
            assert len(its) < 20


def test_what_was_computed_on_the_way_is_not_in_the_state() -> None:
    before = copy.deepcopy(fitted())
    scored(slice(None))
    sizes = [sum(1 for _ in state(its)) for its in (before, fitted())]
    assert sizes[0] == sizes[1]
    assert before.score(*fresh()).equals(scored(slice(None)))


def test_no_text_of_history_is_in_the_state() -> None:
    strings = {its for its in state(fitted()) if isinstance(its, str)}
    texts = set(mixed()[0].filter("has_text")["text"].to_list())
    assert not strings & texts
    assert not [its for its in strings if its.count(" ") > 3]
    assert words(next(iter(texts)))[0] in strings


@pytest.mark.parametrize("chosen", [{"top": 20}, {"contamination": 0.05}, {"false_alarms": 0.5}])
def test_the_bar_lets_the_known_rows_through_that_are_asked_for(chosen: dict[str, Any]) -> None:
    clean, vectors, table, names, new = mixed()
    by = fit_detectors(clean, vectors, table, names, AnomaliesSettings(**chosen), new)
    tails = window().rows.filter(~new)["p_value"]
    if "false_alarms" in chosen:
        assert by.bar in {*tails.to_list(), 0.5 / tails.len()}
    else:
        assert (tails < (by.bar or 0)).sum() < {"top": 20, "contamination": 30}[next(iter(chosen))]
        assert (tails <= by.bar).sum() >= {"top": 20, "contamination": 30}[next(iter(chosen))]
    found = scored(slice(None), by)
    assert (found["flagged"] == (found["p_value"] <= by.bar)).all()
    assert found["reason"].filter(found["flagged"]).is_not_null().all()


def test_where_no_known_row_stands_out_the_bar_is_what_one_of_them_would_need() -> None:
    assert fitted().bar == AnomaliesSettings().false_alarms / 600


def test_an_odd_row_is_flagged_whatever_comes_with_it() -> None:
    assert fitted().score(*odd())["flagged"].to_list() == [False, True, False]


@pytest.mark.parametrize("rows", [0, 1, FEW - 1])
def test_by_few_known_rows_none_is_flagged(rows: int) -> None:
    texts = [f"text {'abcdefghij'[i]}" for i in range(rows)]
    table = cloud(rows, 3)
    names = ["numbers.a", "numbers.b", "numbers.c"]
    by = fit_detectors(clean_table(texts), unit(cloud(rows, 5)), table, names, AnomaliesSettings())
    assert by.bar is None
    more = clean_table(["another"] * 4)
    found = by.score(more, unit(cloud(4, 5, 9)), 99 * cloud(4, 3, 9))
    assert not found["flagged"].any()


def test_rows_that_nothing_tells_apart_teach_nothing() -> None:
    clean = clean_table([""] * 30)
    none = np.empty((30, 0), np.float32)
    by = fit_detectors(clean, np.zeros((30, 4), np.float32), none, [], AnomaliesSettings())
    found = by.score(clean, np.zeros((30, 4), np.float32), none)
    assert found["p_value"].to_list() == [1] * 30
    assert found["reason"].null_count() == 30
    assert not found["flagged"].any()


levels = st.lists(st.integers(0, 3), min_size=1, max_size=30)


@settings(max_examples=25, deadline=None)
@given(levels, levels, st.integers(0, 3), st.integers(1, 6))
def test_quick_distances_are_those_of_scikit_learn(
    known: list[int], asked: list[int], width: int, count: int
) -> None:
    tables = [
        np.hstack([np.round(cloud(len(its), width, seed), 1), np.eye(4, dtype=np.float32)[its]])
        for seed, its in enumerate((known, asked))
    ]
    by, none = [Apart(tables[0], count), Apart(tables[0], 1)], np.zeros(len(asked), bool)
    for apart, found in zip(by, Quick.of(by, 4).distances([tables[1]] * 2), strict=True):
        assert found == pytest.approx(apart.distances(tables[1], none), abs=1e-6)


@given(st.dictionaries(st.text(), st.integers(0, 99)), st.lists(st.text()))
def test_a_lookup_gives_the_numbers_of_its_texts(
    numbers: dict[str, int], others: list[str]
) -> None:
    asked = [*numbers, *others]
    found = Lookup.of(numbers.keys(), numbers.values()).get(asked, -1)
    assert found.tolist() == [numbers.get(text, -1) for text in asked]


def test_numbers_that_are_told_are_those_of_the_batch() -> None:
    clean, vectors, table = first(1)
    odd = clean.with_columns(pl.lit(7e7).alias(NUMBER + "count"))
    told = fitted().score(odd, -vectors, table + 9)["reason"][0]
    assert "count 70,000,000 is above all earlier rows" in told
