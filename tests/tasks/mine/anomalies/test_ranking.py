"""Ranking unusual rows: by their views, and new ones against history."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.odd_rows import (
    ODD,
    ROWS,
    Floats,
    checked,
    clean_table,
    cloud,
    later,
    odd_table,
    several,
    unit,
)

from fusemine.tasks.mine.anomalies.flagging import FEW
from fusemine.tasks.mine.anomalies.ranking import Anomalies, find_anomalies
from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings


def ranked(result: Anomalies) -> list[str]:
    return result.rows.sort("rank")["row_id"].to_list()


def test_the_summary_names_which_views_were_used() -> None:
    summary = checked(*odd_table()).summary
    assert summary["views"]["text"] == summary["views"]["table"] == "used"
    assert summary["views"]["time"] == "fewer than 7 partitions"
    assert summary["only_view"] is None


def test_a_table_without_other_columns_is_scored_by_its_text() -> None:
    clean, vectors, _ = odd_table()
    result = checked(clean.drop("number.height"), vectors, np.empty((ROWS, 0), np.float32), top=1)
    assert ranked(result)[0] == f"r{ODD}"
    assert result.summary["only_view"] == "text"
    assert result.summary["views"]["table"] == "no numbers and categories"
    assert result.rows["table_score"].is_null().all()
    ordered = result.rows.sort("p_value", descending=True)
    assert ordered["text_score"].is_sorted()
    assert result.rows["text_score"][ODD] == 1 - 1 / ROWS


def test_a_table_without_any_text_is_scored_by_its_other_columns() -> None:
    clean, vectors, table = odd_table()
    silent = clean.with_columns(text=pl.lit(""), has_text=False)
    result = checked(silent, vectors * 0, table, top=1)
    assert ranked(result)[0] == f"r{ODD + 1}"
    assert result.summary["only_view"] == "table"
    assert result.rows["text_score"].is_null().all()


def test_a_row_without_text_is_ranked_by_its_table_alone() -> None:
    clean, vectors, table = odd_table()
    clean = clean.with_columns(has_text=pl.Series(np.arange(ROWS) != ODD + 1))
    result = checked(clean, vectors, table)
    row = result.rows.row(ODD + 1, named=True)
    assert row["text_score"] is None
    assert row["table_score"] == 1 - 1 / ROWS
    alone = checked(clean.with_columns(text=pl.lit(""), has_text=False), vectors * 0, table)
    assert row["p_value"] == alone.rows["p_value"][ODD + 1]


def test_copies_of_a_junk_text_are_flagged_once_and_counted() -> None:
    clean, vectors, _ = odd_table()
    junk = np.arange(ROWS) < 3
    texts = pl.Series([f"asdf {i}" if junk[i] else clean["text"][i] for i in range(ROWS)])
    vectors[junk] = [0, 1, 0, 0, 0, 0]
    none = np.empty((ROWS, 0), np.float32)
    result = checked(clean.drop("number.height").with_columns(text=texts), vectors, none, top=10)
    flagged = result.rows.filter("flagged")
    copies = flagged["row_id"].is_in([f"r{i}" for i in range(3)]).sum()
    repeated = flagged.filter(pl.col("reason").str.contains("2 more rows are like it"))
    assert repeated.height == copies == 1
    assert flagged["reason"].n_unique() > 1


def test_a_common_text_is_no_anomaly_however_far_out() -> None:
    clean, vectors, table = odd_table()
    often = np.arange(ROWS) % 3 == 0
    texts = ["NONE" if often[i] else clean["text"][i] for i in range(ROWS)]
    vectors[often] = [0, 0, 1, 0, 0, 0]
    result = checked(clean.with_columns(text=pl.Series(texts)), vectors, table)
    assert result.rows["text_score"].to_numpy()[often].max() == 0


@pytest.mark.parametrize(
    ("chosen", "flagged"), [({"top": 3}, 3), ({"top": 50}, 20), ({"contamination": 0.03}, 6)]
)
def test_as_many_rows_are_flagged_as_set(chosen: dict[str, Any], flagged: int) -> None:
    assert checked(*odd_table(), **chosen).summary["flagged"] == flagged


@pytest.mark.parametrize("rows", [1, 2, 3, FEW - 1])
def test_of_few_rows_none_is_flagged(rows: int) -> None:
    texts = [f"text {'abcdefghij'[i]}" for i in range(rows)]
    result = checked(clean_table(texts), unit(cloud(rows, 5)), cloud(rows, 3))
    assert result.summary["flagged"] == 0


@pytest.mark.parametrize(
    ("texts", "vectors", "table"),
    [
        ([], cloud(0, 4), cloud(0, 3)),
        (["a"], cloud(1, 4), cloud(1, 3)),
        ([""] * 20, cloud(20, 4) * 0, cloud(20, 0)),
        (["same"] * 20, np.ones((20, 4), np.float32), np.ones((20, 3), np.float32)),
        ([f"t{i}" for i in range(20)], np.ones((20, 4), np.float32), cloud(20, 0)),
    ],
    ids=["no rows", "one row", "no texts", "all the same", "vectors the same"],
)
def test_rows_that_nothing_distinguishes_are_skipped_with_the_reason(
    texts: list[str], vectors: Floats, table: Floats
) -> None:
    result = checked(clean_table(texts), vectors, table)
    assert result.summary["skipped"]
    assert result.rows["score"].to_list() == [0] * len(texts)


def test_constant_columns_do_no_harm() -> None:
    clean, vectors, table = odd_table()
    wide = np.hstack([table, np.full((ROWS, 3), 7, np.float32)])
    before, after = checked(clean, vectors, table, top=1), checked(clean, vectors, wide, top=1)
    assert ranked(before)[0] == ranked(after)[0]


def test_a_row_none_of_whose_values_is_rare_is_explained_by_its_features() -> None:
    sides = np.repeat([[1.0, 1.0], [-1.0, -1.0]], ROWS // 2, axis=0)
    table = (sides + 0.05 * cloud(ROWS, 2)).astype(np.float32)
    table[5] = [1, -1]
    clean = clean_table([""] * ROWS, number_f0=[5.0] * ROWS)
    result = checked(clean, cloud(ROWS, 3) * 0, table, top=1)
    assert ranked(result)[0] == "r5"
    assert result.rows["reason"][5].startswith("No value is rare; unusual is how these go together")
    assert "f0 5" in result.rows["reason"][5]


def test_progress_ends_at_its_total() -> None:
    steps: list[tuple[int, int]] = []
    heard = lambda *at: steps.append(at)  # noqa: E731
    find_anomalies(*odd_table(), list("abcd"), AnomaliesSettings(), progress=heard)
    assert [done for done, _ in steps] == [1, 2, 3, 4, 5]


def test_a_flagged_row_names_the_usual_rows_nearest_to_it() -> None:
    rows = checked(*odd_table()).rows
    near = rows["near"][ODD].to_list()
    assert len(near) == 3
    assert (rows.filter(pl.col("row_id").is_in(near))["p_value"] > 0.1).all()


def test_features_that_are_not_finite_do_no_harm() -> None:
    clean, vectors, table = odd_table()
    table[:5] = [np.nan, np.inf, -np.inf, 0]
    endless = clean.with_columns(pl.lit(np.inf).alias("number.height"))
    assert checked(endless, vectors, table).rows["table_score"].is_not_null().all()


@pytest.mark.parametrize(("junk", "rows"), [(30, 40), (0, 11), (5, 23), (0, 1)])
def test_new_rows_do_not_change_the_scores_of_history(junk: int, rows: int) -> None:
    kept = ["p_value", "flagged", "text_score", "table_score", "match_score", "time_score"]
    results = [checked(*later(*case)).rows[:160].select(kept) for case in ((0, 40), (junk, rows))]
    assert results[0].equals(results[1])


@pytest.mark.parametrize("kept", [1390, 1301, 1350])
def test_match_and_time_of_history_do_not_depend_on_later_rows(kept: int) -> None:
    clean, vectors, table, new = several()
    columns = ["p_value", "flagged", "match_score", "time_score"]
    before = checked(clean, vectors, table, new)
    after = checked(clean[:kept], vectors[:kept], table[:kept], new[:kept])
    assert before.rows["match_score"].is_not_null().all()
    assert before.rows[:1300].select(columns).equals(after.rows[:1300].select(columns))


def test_a_burst_of_new_rows_changes_nothing_of_history() -> None:
    clean, vectors, table, new = several()
    most = pl.Series(new & (np.arange(len(new)) % 10 < 8))
    kinds = pl.when(most).then(pl.lit("deer")).otherwise("category.kind").alias("category.kind")
    grown = clean.with_columns(kinds)
    calm, burst = (checked(c, vectors, table, new) for c in (clean, grown))
    assert (calm.bursts.height, burst.bursts.height) == (0, 1)
    assert calm.summary["views"]["time"] == "used"
    assert calm.rows[:1300]["p_value"].equals(burst.rows[:1300]["p_value"])
    assert calm.rows[:1300]["flagged"].equals(burst.rows[:1300]["flagged"])


def test_shares_of_a_view_are_those_of_the_known_rows() -> None:
    clean, vectors, table, new = several()
    rows = checked(clean, vectors, table, new).rows
    history = rows.filter(~pl.col("new"))
    for name in ("text_score", "match_score"):
        shares = history[name].to_numpy()
        assert shares.max() < 1
        below = [(shares < share).mean() for share in shares[:50]]
        assert below == pytest.approx(shares[:50].tolist())


def test_without_enough_history_all_rows_are_compared_with_all() -> None:
    clean, vectors, table, _ = later(0)
    result = checked(clean, vectors, table, np.arange(ROWS) >= 50)
    assert result.summary["against_history"] is None
    assert result.rows["new"].sum() == ROWS - 50
    assert result.rows["p_value"].equals(checked(clean, vectors, table).rows["p_value"])


word = st.sampled_from(["bird", "engine", "", "12", "<b>", "鸟击", "no damage"])


@settings(max_examples=40, deadline=None)
@given(st.lists(word, max_size=25), st.integers(0, 4), st.integers(0, 2), st.integers(0, 3))
def test_every_row_of_any_table_is_ranked_once(
    texts: list[str], width: int, spread: int, seed: int
) -> None:
    rows = len(texts)
    columns = {
        "number_n": pl.Series(np.round(cloud(rows, 1, seed)[:, 0] * spread), dtype=pl.Float64),
        "number_empty": pl.Series([None] * rows, dtype=pl.Float64),
        "category_c": pl.Series([None, "a", "b"] * rows, dtype=pl.String)[:rows],
    }
    vectors, table = (
        np.round(cloud(rows, size, more) * spread).astype(np.float32)
        for size, more in ((4, seed), (width, seed + 1))
    )
    checked(clean_table(texts, **columns), vectors, table, contamination=0.3)
