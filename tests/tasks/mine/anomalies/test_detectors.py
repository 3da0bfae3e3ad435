"""Detectors that are fitted once, and new rows that are scored with them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.odd_rows import Floats, clean_table, cloud, mixed, unit

from fusemine.tasks.core.pack.pack import pack, unpack
from fusemine.tasks.mine.anomalies.detectors import Detectors, fit_detectors
from fusemine.tasks.mine.anomalies.flagging import FEW
from fusemine.tasks.mine.anomalies.new_rows import score_rows
from fusemine.tasks.mine.anomalies.ranking import Anomalies, find_anomalies
from fusemine.tasks.mine.anomalies.score_views import ScoredWindow, score_views
from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
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
    return find_anomalies(clean, vectors, table, names, AnomaliesSettings(), new)


@cache
def views() -> ScoredWindow:
    clean, vectors, table, names, new = mixed()
    return score_views(Table.of(clean, table, names), vectors, new)


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
    return score_rows(by or fitted(), *(its[rows] for its in fresh()))


def test_new_rows_score_as_they_do_in_their_window() -> None:
    found, expected = scored(slice(None)), window().rows[-LAST:]
    assert found.select(SCORES).equals(expected.select(SCORES))
    assert {"burst"} == set(window().bursts["kind"])
    for name in SCORES:
        assert found[name].n_unique() > 1


def test_reasons_are_those_that_the_window_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusemine.tasks.mine.anomalies.new_rows.EXPLAINED", 0.999)
    found = scored(slice(None))
    rows = np.flatnonzero(found["reason"].is_not_null().to_numpy()).tolist()
    assert len(rows) > LAST / 2
    first = len(views().known) - LAST
    reasons = [found["reason"][row] for row in rows]
    assert reasons == [views().reason(first + row) for row in rows]
    for part in ("rare word", "the text reads like", "rows in 09, where", "occurs in no earlier"):
        assert any(part in reason for reason in reasons), part


def test_rare_rows_are_flagged_with_a_reason_and_others_have_none() -> None:
    found = score_rows(fitted(), *odd())
    assert (found["p_value"] <= 0.01).to_list() == [False, True, False]
    assert found["reason"].is_not_null().to_list() == [False, True, False]
    assert found["flagged"].to_list() == [False, True, False]


@pytest.mark.parametrize("size", [1, 5])
def test_a_row_scores_the_same_in_a_batch_of_any_size(size: int) -> None:
    parts = [scored(slice(i, i + size)) for i in range(0, 20 * size, size)]
    assert pl.concat(parts).equals(scored(slice(None))[: 20 * size])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, LAST - 1), max_size=40))
def test_a_row_scores_the_same_beside_any_others(rows: list[int]) -> None:
    assert scored(rows).equals(scored(slice(None))[rows])


def test_rows_that_are_scored_on_several_threads_score_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = scored(slice(None))
    monkeypatch.setattr("fusemine.tasks.mine.anomalies.new_rows.MIN_ROWS", 9)
    monkeypatch.setattr("fusemine.tasks.mine.anomalies.new_rows.thread_count", lambda: 2)
    assert scored(slice(None)).equals(before)


def test_of_no_rows_nothing_comes() -> None:
    assert scored([]).schema == scored([0]).schema
    assert scored([]).height == 0


def test_rows_of_a_later_partition_are_scored_by_the_other_views() -> None:
    clean, vectors, table = fresh()
    later = score_rows(fitted(), clean.with_columns(partition=pl.lit("10")), vectors, table)
    without = score_rows(replace(fitted(), time=None), clean, vectors, table)
    assert later["time_score"].null_count() == LAST
    assert later.equals(without)
    assert not later["p_value"].equals(scored(slice(None))["p_value"])


def test_a_level_that_history_does_not_have_and_an_empty_number_do_no_harm() -> None:
    clean, vectors, table = fresh()
    odd = clean.with_columns(pl.lit("Atlantis").alias("category.gate")).with_columns(
        pl.lit(None, pl.Float64).alias("number.size")
    )
    assert score_rows(fitted(), odd, vectors, table * np.nan)["p_value"].is_between(0, 1).all()


def test_detectors_can_be_stored_and_made_again_without_what_was_computed_on_the_way() -> None:
    clean, vectors, table, names, new = mixed()
    files = pack(fit_detectors(clean, vectors, table, names, AnomaliesSettings(), new))
    scored(slice(None))
    assert pack(fitted()) == files
    assert scored(slice(None), unpack(files)).equals(scored(slice(None)))


def test_no_text_of_history_is_stored() -> None:
    stored = pack(fitted())["json"].decode()
    texts = [text for text in mixed()[0]["text"] if " " in text]
    assert not [text for text in texts if text in stored]
    assert f'"{words(texts[0])[0]}"' in stored


@pytest.mark.parametrize("chosen", [{"top": 20}, {"contamination": 0.05}, {"false_alarms": 0.5}])
def test_the_threshold_lets_as_many_known_rows_through_as_are_set(chosen: dict[str, Any]) -> None:
    clean, vectors, table, names, new = mixed()
    by = fit_detectors(clean, vectors, table, names, AnomaliesSettings(**chosen), new)
    p_values = window().rows.filter(~new)["p_value"]
    if "false_alarms" in chosen:
        assert by.threshold in {*p_values.to_list(), 0.5 / p_values.len()}
    else:
        most = 20 if "top" in chosen else 30
        assert (p_values < by.threshold).sum() < most <= (p_values <= by.threshold).sum()
    found = scored(slice(None), by)
    assert (found["flagged"] == (found["p_value"] <= by.threshold)).all()
    assert found["reason"].filter(found["flagged"]).is_not_null().all()


def test_where_no_known_row_stands_out_the_threshold_is_what_one_of_them_would_need() -> None:
    assert fitted().threshold == AnomaliesSettings().false_alarms / 600


@pytest.mark.parametrize("rows", [0, 1, FEW - 1])
def test_by_few_known_rows_none_is_flagged(rows: int) -> None:
    texts = [f"text {'abcdefghij'[i]}" for i in range(rows)]
    table = cloud(rows, 3)
    names = ["numbers.a", "numbers.b", "numbers.c"]
    by = fit_detectors(clean_table(texts), unit(cloud(rows, 5)), table, names, AnomaliesSettings())
    assert by.threshold is None
    more = clean_table(["another"] * 4)
    found = score_rows(by, more, unit(cloud(4, 5, 9)), 99 * cloud(4, 3, 9))
    assert not found["flagged"].any()


def test_nothing_is_learned_from_rows_that_nothing_distinguishes() -> None:
    clean = clean_table([""] * 30)
    none = np.empty((30, 0), np.float32)
    by = fit_detectors(clean, np.zeros((30, 4), np.float32), none, [], AnomaliesSettings())
    found = score_rows(by, clean, np.zeros((30, 4), np.float32), none)
    assert found["p_value"].to_list() == [1] * 30
    assert found["reason"].null_count() == 30
    assert not found["flagged"].any()


def test_numbers_in_reasons_are_those_of_the_batch() -> None:
    clean, vectors, table = first(1)
    odd = clean.with_columns(pl.lit(7e7).alias(NUMBER + "count"))
    reason = score_rows(fitted(), odd, -vectors, table + 9)["reason"][0]
    assert "count 70,000,000 is above all earlier rows" in reason
