"""Which rows are flagged and which have a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from support.odd_rows import ODD, checked, later, odd_table, several, spammed

from fusemine.tasks.mine.anomalies.flagging import RepeatGroups, candidates
from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
from fusemine.tasks.mine.anomalies.views.text_detector import text_view
from fusemine.tasks.text.distinct import distinct_texts


def test_planted_rows_are_flagged_by_themselves_with_their_reasons() -> None:
    result = checked(*odd_table())
    assert set(result.rows.filter("flagged")["row_id"]) == {f"r{ODD}", f"r{ODD + 1}"}
    assert result.rows["text_score"][ODD] > 0.99
    assert "unlike" in result.rows["reason"][ODD]
    assert result.rows["reason"][ODD + 1].startswith("height 30,000 is above")
    assert result.summary["threshold"]["expected_false_share"] == 0.1


def test_a_group_is_tested_once_so_that_it_lets_no_others_through() -> None:
    spam, false = np.arange(3000) < 150, 0
    for seed in range(10):
        p_values = np.random.default_rng(seed).uniform(size=3000)
        p_values[spam] = 1e-9
        groups = RepeatGroups.of(np.where(spam, 0, -1), p_values, np.zeros(3000, bool))
        found = candidates(
            p_values, groups.representative, np.zeros(3000, bool), AnomaliesSettings()
        )
        assert found[spam].sum() == 1
        false += int(found[~spam].sum())
    # Counted row by row, the 150 would let through about 17 of the others each time.
    assert false <= 5


def test_a_group_is_tested_apart_in_history_and_among_new_rows() -> None:
    group = np.array([0, 0, 0, 0, 0, 1, 1, -1])
    new = np.array([False, False, True, True, True, False, False, True])
    p_values = np.array([0.02, 0.01, 0.04, 0.03, 0.9, 0.8, 0.01, 0.001])
    groups = RepeatGroups.of(group, p_values, new)
    # The second group is half unusual, and so one entry as well.
    assert groups.representative.tolist() == [False, True, False, True, False, False, True, True]
    assert groups.counted("Odd.", [3]) == "Odd (4 more rows are like it, 2 of them before)."
    assert groups.counted("Odd.", [1]) == "Odd (1 more row is like it)."
    assert groups.counted("Odd.", [7]) == "Odd."


def test_new_repeats_of_a_flagged_row_of_history_are_an_entry_of_their_own() -> None:
    new = np.arange(1500) >= 1400
    old = np.arange(1500) % 90 == 0
    old &= ~new
    results = [
        checked(*spammed(old | more), new) for more in (new & False, np.arange(1500) >= 1470)
    ]
    alone, both = (result.rows.filter("flagged") for result in results)
    assert alone.filter("new").height == 0
    assert alone["row_id"].to_list() == both.filter(~pl.col("new"))["row_id"].to_list()
    assert "(15 more rows are like it)" in both.filter(~pl.col("new"))["reason"][0]
    repeats = both.filter(pl.col("new") & pl.col("reason").str.contains("like it"))
    assert repeats.height == 1
    assert "(45 more rows are like it, 16 of them before)" in repeats["reason"][0]


@pytest.mark.parametrize(
    ("chosen", "flagged"), [({"top": 1}, 2), ({"contamination": 0.001}, 2), ({}, 0)]
)
def test_the_next_unusual_rows_have_a_reason_however_few_are_flagged(
    chosen: dict[str, Any], flagged: int
) -> None:
    result = checked(*several(), **chosen)
    explained = result.rows.filter(pl.col("reason").is_not_null())
    assert result.summary["flagged"] <= flagged
    assert 50 <= explained.height <= 62
    assert explained["new"].sum() >= 10


def test_a_flood_of_new_junk_is_one_entry_that_gives_its_size() -> None:
    rows = checked(*later(30)).rows
    assert rows["new"].sum() == 40
    junk = rows[160:190]
    assert junk["group"].n_unique() == 1
    assert junk["flagged"].sum() == 1
    assert "29 more rows are like it" in junk.filter("flagged")["reason"][0]


@pytest.mark.parametrize("share", [0, 12, 20, 50])
def test_beside_spam_or_without_it_hardly_a_usual_row_is_flagged(share: int) -> None:
    """End to end: the stated share of false alarms holds, however much of the table is spam."""
    spam = np.arange(1600) % share == 3 if share else np.zeros(1600, bool)
    flagged = checked(*spammed(spam)).rows["flagged"].to_numpy()
    assert flagged[spam].sum() == bool(share)
    assert flagged[~spam].sum() <= 1


@pytest.mark.parametrize("share", [0, 12, 20])
def test_usual_texts_get_small_p_values_no_more_often_than_they_state(share: int) -> None:
    spam = np.arange(1600) % share == 3 if share else np.zeros(1600, bool)
    clean, vectors, _ = spammed(spam)
    view = text_view(distinct_texts(clean, vectors), np.ones(1600, bool))[0]
    for p_values in (view.p_values, *view.detectors.values()):
        found = p_values[~spam]
        assert (found <= 0.1).mean() <= 0.15
        assert (found <= 0.01).mean() <= 0.02
