"""New rows are held against history and change nothing of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from odd_rows import (
    ROWS,
    checked,
    later,
    several,
)


@pytest.mark.parametrize(("junk", "rows"), [(30, 40), (0, 11), (5, 23), (0, 1)])
def test_new_rows_do_not_change_the_scores_of_history(junk: int, rows: int) -> None:
    kept = ["p_value", "flagged", "text_score", "table_score", "match_score", "time_score"]
    results = [checked(*later(*case)).rows[:160].select(kept) for case in ((0, 40), (junk, rows))]
    assert results[0].equals(results[1])


@pytest.mark.parametrize("kept", [1390, 1301, 1350])
def test_match_and_time_of_history_are_the_same_whatever_comes_after(kept: int) -> None:
    clean, vectors, table, new = several()
    columns = ["p_value", "flagged", "match_score", "time_score"]
    before = checked(clean, vectors, table, new)
    after = checked(clean[:kept], vectors[:kept], table[:kept], new[:kept])
    assert before.rows["match_score"].is_not_null().all()
    assert before.rows[:1300].select(columns).equals(after.rows[:1300].select(columns))


def test_a_burst_of_new_rows_changes_nothing_of_history() -> None:
    clean, vectors, table, new = several()
    swollen = clean.with_columns(
        pl.when(pl.Series(new & (np.arange(len(new)) % 10 < 8)))
        .then(pl.lit("deer"))
        .otherwise(pl.col("category.kind"))
        .alias("category.kind")
    )
    calm, burst = (checked(c, vectors, table, new) for c in (clean, swollen))
    assert (calm.bursts.height, burst.bursts.height) == (0, 1)
    assert calm.summary["views"]["time"] == "used"
    assert calm.rows[:1300]["p_value"].equals(burst.rows[:1300]["p_value"])
    assert calm.rows[:1300]["flagged"].equals(burst.rows[:1300]["flagged"])


def test_shares_of_a_view_are_those_of_the_known_rows() -> None:
    clean, vectors, table, new = several()
    rows = checked(clean, vectors, table, new).rows
    history = rows.filter(~pl.col("new"))
    for name in ("text_score", "match_score"):
        said = history[name].to_numpy()
        assert said.max() < 1
        assert [(said < share).mean() for share in said[:50]] == pytest.approx(said[:50].tolist())


def test_without_enough_history_all_rows_are_held_against_all() -> None:
    clean, vectors, table, _ = later(0)
    result = checked(clean, vectors, table, np.arange(ROWS) >= 50)
    assert result.summary["against_history"] is None
    assert result.rows["new"].sum() == ROWS - 50
    assert result.rows["p_value"].equals(checked(clean, vectors, table).rows["p_value"])
