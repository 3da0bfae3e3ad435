"""Unusual rows: ranking, fusing, flagging."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.anomalies.anomaly import Anomalies, anomaly
from tasks.anomalies.flagging import FEW, Alike, candidates
from tasks.anomalies.settings import AnomalySettings
from tasks.contracts import ANOMALIES, BURSTS, REPEATS

Floats = NDArray[np.float32]
ROWS = 200
ODD = 77


def clean_table(texts: list[str], **columns: Any) -> pl.DataFrame:
    ids = pl.Series([f"r{i}" for i in range(len(texts))], dtype=pl.String)
    silent = pl.Series([bool(text.strip()) for text in texts], dtype=pl.Boolean)
    table = {"row_id": ids, "text": pl.Series(texts, dtype=pl.String), "has_text": silent}
    table["partition"] = pl.Series(["all"] * len(texts), dtype=pl.String)
    table["event_time"] = pl.Series([None] * len(texts), dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame(table | {k.replace("_", ".", 1): v for k, v in columns.items()})


def cloud(rows: int, width: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def unit(vectors: Floats) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def checked(
    clean: pl.DataFrame,
    vectors: Floats,
    table: Floats,
    new: NDArray[np.bool_] | None = None,
    **chosen: Any,
) -> Anomalies:
    """Find anomalies and check what must hold of every result."""
    names = [f"numbers.f{i}" for i in range(table.shape[1])]
    result = anomaly(clean, vectors, table, names, AnomalySettings(**chosen), new)
    ANOMALIES.check(result.rows.to_arrow())
    REPEATS.check(result.repeats.to_arrow())
    BURSTS.check(result.bursts.to_arrow())
    json.dumps(result.summary, allow_nan=False)
    rows = result.rows
    assert rows["row_id"].to_list() == clean["row_id"].to_list()
    assert sorted(rows["rank"].to_list()) == list(range(1, clean.height + 1))
    told = rows["reason"].is_not_null()
    assert told.filter(rows["flagged"]).all()
    assert (told == (rows["rank"] <= told.sum())).all()
    assert (told == rows["near"].is_not_null()).all()
    assert rows["flagged"].sum() == result.summary["flagged"]
    for column in ("score", "p_value", "text_score", "table_score", "match_score", "time_score"):
        assert rows[column].drop_nulls().is_between(0, 1).all()
    first = rows.sort("rank").head(result.summary["flagged"])
    assert first["flagged"].all()
    assert first["score"].is_sorted(descending=True)
    return result


def odd_table() -> tuple[pl.DataFrame, Floats, Floats]:
    """Rows of one kind but for the text of row 77 and the table of row 78."""
    texts = [
        f"bird struck the nose at gate {'abcdefgh'[i % 8] * (i // 8 + 2)}" for i in range(ROWS)
    ]
    vectors, table = cloud(ROWS, 6), cloud(ROWS, 4)
    vectors[:, 0] += 20
    vectors[ODD] = [1, 0, 0, 0, 0, 20]
    table[ODD + 1] = 20
    heights = [100.0 + i for i in range(ROWS)]
    heights[ODD + 1] = 30_000
    return clean_table(texts, number_height=heights), unit(vectors), table


def ranked(result: Anomalies) -> list[str]:
    return result.rows.sort("rank")["row_id"].to_list()


def test_an_odd_text_and_an_odd_table_row_are_flagged_with_their_reasons() -> None:
    result = checked(*odd_table())
    assert {f"r{ODD}", f"r{ODD + 1}"} <= set(result.rows.filter("flagged")["row_id"])
    scores = result.rows[ODD].row(0, named=True)
    assert scores["text_score"] > 0.99
    assert "unlike" in scores["reason"]
    assert result.rows["reason"][ODD + 1].startswith("height 30,000 is above")


def test_the_summary_says_which_views_were_used() -> None:
    summary = checked(*odd_table()).summary
    assert summary["views"]["text"] == summary["views"]["table"] == "used"
    assert summary["views"]["time"] == "fewer than 7 partitions"
    assert summary["only_view"] is None


def test_the_same_input_gives_the_same_result() -> None:
    assert checked(*odd_table()).rows.equals(checked(*odd_table()).rows)


def test_a_table_without_other_columns_is_judged_by_its_text() -> None:
    clean, vectors, _ = odd_table()
    result = checked(clean.drop("number.height"), vectors, np.empty((ROWS, 0), np.float32), top=1)
    assert ranked(result)[0] == f"r{ODD}"
    assert result.summary["only_view"] == "text"
    assert result.summary["views"]["table"] == "no numbers and categories"
    assert result.rows["table_score"].is_null().all()
    ordered = result.rows.sort("p_value", descending=True)
    assert ordered["text_score"].is_sorted()
    assert result.rows["text_score"][ODD] == 1 - 1 / ROWS


def test_a_table_without_any_text_is_judged_by_its_other_columns() -> None:
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
    junk = np.arange(ROWS) < 4
    texts = pl.Series([f"asdf {i}" if junk[i] else clean["text"][i] for i in range(ROWS)])
    vectors[junk] = [0, 1, 0, 0, 0, 0]
    none = np.empty((ROWS, 0), np.float32)
    result = checked(clean.drop("number.height").with_columns(text=texts), vectors, none, top=10)
    flagged = result.rows.filter("flagged")
    assert flagged["row_id"].is_in([f"r{i}" for i in range(4)]).sum() <= 1
    repeated = flagged.filter(pl.col("reason").str.contains("3 more rows are like it"))
    assert repeated.height == flagged["row_id"].is_in(["r0", "r1", "r2", "r3"]).sum()
    assert flagged["reason"].n_unique() > 1


def test_a_common_text_is_no_anomaly_however_far_out() -> None:
    clean, vectors, table = odd_table()
    often = np.arange(ROWS) % 3 == 0
    texts = ["NONE" if often[i] else clean["text"][i] for i in range(ROWS)]
    vectors[often] = [0, 0, 1, 0, 0, 0]
    result = checked(clean.with_columns(text=pl.Series(texts)), vectors, table)
    assert result.rows["text_score"].to_numpy()[often].max() == 0


@pytest.mark.parametrize(
    ("chosen", "flagged"),
    [({"top": 3}, 3), ({"top": 50}, 20), ({"contamination": 0.03}, 6)],
)
def test_as_many_rows_are_flagged_as_asked(chosen: dict[str, Any], flagged: int) -> None:
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
def test_rows_that_nothing_tells_apart_are_skipped_with_the_reason(
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


def test_a_row_none_of_whose_values_is_rare_is_told_by_its_features() -> None:
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
    tell = lambda done, total: steps.append((done, total))  # noqa: E731
    clean, vectors, table = odd_table()
    anomaly(clean, vectors, table, list("abcd"), AnomalySettings(), progress=tell)
    assert [done for done, _ in steps] == [1, 2, 3, 4, 5]


def test_noise_is_hardly_flagged() -> None:
    flagged = 0
    for seed in range(4):
        texts = [f"{'abcdefgh'[i % 8] * (i // 8 + 2)}" for i in range(400)]
        clean = clean_table(texts, number_f0=cloud(400, 1, seed)[:, 0].astype(float))
        vectors = unit(cloud(400, 8, seed) + 2)
        flagged += checked(clean, vectors, cloud(400, 3, seed)).summary["flagged"]
    assert flagged <= 4


def test_planted_rows_are_flagged_by_themselves() -> None:
    result = checked(*odd_table())
    assert set(result.rows.filter("flagged")["row_id"]) == {f"r{ODD}", f"r{ODD + 1}"}
    assert result.summary["threshold"]["expected_false_share"] == 0.1


def test_a_flagged_row_names_the_usual_rows_nearest_to_it() -> None:
    rows = checked(*odd_table()).rows
    near = rows["near"][ODD].to_list()
    assert len(near) == 3
    assert (rows.filter(pl.col("row_id").is_in(near))["p_value"] > 0.1).all()


def later(junk: int, rows: int = 40) -> tuple[pl.DataFrame, Floats, Floats, NDArray[np.bool_]]:
    """A table whose last partition has so many rows, the first `junk` of which say the same."""
    clean, vectors, table = odd_table()
    places = np.arange(ROWS)
    new, spam = places >= 160, (places >= 160) & (places < 160 + junk)
    texts = [f"buy pills {i}" if spam[i] else text for i, text in enumerate(clean["text"])]
    vectors[spam] = [0, 0, 1, 0, 0, 0]
    parts = pl.Series(np.where(new, "b", "a"))
    clean = clean.with_columns(text=pl.Series(texts), partition=parts)
    kept = 160 + rows
    return clean[:kept], vectors[:kept], table[:kept], new[:kept]


@pytest.mark.parametrize(("junk", "rows"), [(30, 40), (0, 11), (5, 23), (0, 1)])
def test_new_rows_do_not_change_the_scores_of_history(junk: int, rows: int) -> None:
    kept = ["p_value", "flagged", "text_score", "table_score", "match_score", "time_score"]
    results = [checked(*later(*case)).rows[:160].select(kept) for case in ((0, 40), (junk, rows))]
    assert results[0].equals(results[1])


def several(rows: int = 1400) -> tuple[pl.DataFrame, Floats, Floats, NDArray[np.bool_]]:
    """Rows of seven older partitions of a hundred and of newer ones, of four kinds."""
    draw = np.random.default_rng(3)
    kinds = draw.integers(0, 4, rows)
    texts = [f"gate {'abcdefgh'[i % 8] * (i % 9 + 2)}{KINDS[k]}{i}" for i, k in enumerate(kinds)]
    parts = pl.Series([f"{i // 100:02}" for i in range(rows)])
    vectors = draw.normal(size=(rows, 8))
    vectors[:, 0] += 6
    table = np.eye(4, dtype=np.float32)[kinds]
    clean = clean_table(texts, category_kind=[KINDS[k] for k in kinds])
    time = pl.Series([datetime(2024, 1, 1, tzinfo=UTC)] * rows, dtype=pl.Datetime("us", "UTC"))
    new = np.arange(rows) >= rows - 100
    return (
        clean.with_columns(partition=parts, event_time=time),
        unit(vectors.astype(np.float32)),
        table,
        new,
    )


KINDS = ("deer", "gull", "bat", "dove")


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


def spammed(spam: NDArray[np.bool_]) -> tuple[pl.DataFrame, Floats, Floats]:
    """Usual rows and those of one foreign template."""
    rows = len(spam)
    draw = np.random.default_rng(1)
    vectors = draw.normal(size=(rows, 16))
    vectors[:, 0] += 6
    vectors[spam] = 0.02 * vectors[spam]
    vectors[spam, 5] += 1
    letters = ["".join(draw.choice(list("abcdefgh"), 7)) for _ in range(rows)]
    texts = [
        f"buy cheap pills here {w} now" if s else w for w, s in zip(letters, spam, strict=True)
    ]
    numbers = draw.normal(size=(rows, 4))
    columns = {f"number_x{i}": numbers[:, i] for i in range(4)}
    return (
        clean_table(texts, **columns),
        unit(vectors.astype(np.float32)),
        numbers.astype(np.float32),
    )


def test_a_group_of_spam_is_one_flag() -> None:
    spam = np.arange(1500) % 15 == 3
    assert checked(*spammed(spam)).rows["flagged"].to_numpy()[spam].sum() == 1


def test_a_group_is_tested_once_so_that_it_lets_no_others_through() -> None:
    spam, false = np.arange(3000) < 150, 0
    for seed in range(10):
        tails = np.random.default_rng(seed).uniform(size=3000)
        tails[spam] = 1e-9
        alike = Alike.of(np.where(spam, 0, -1), tails, np.zeros(3000, bool))
        found = candidates(tails, alike.stands, np.zeros(3000, bool), AnomalySettings())
        assert found[spam].sum() == 1
        false += int(found[~spam].sum())
    # Counted row by row, the 150 would let through about 17 of the others each time.
    assert false <= 5


def test_a_group_is_judged_apart_in_history_and_among_new_rows() -> None:
    group = np.array([0, 0, 0, 0, 0, 1, 1, -1])
    new = np.array([False, False, True, True, True, False, False, True])
    tails = np.array([0.02, 0.01, 0.04, 0.03, 0.9, 0.8, 0.01, 0.001])
    alike = Alike.of(group, tails, new)
    # The second group is half unusual, and so one entry as well.
    assert alike.stands.tolist() == [False, True, False, True, False, False, True, True]
    assert alike.told("Odd.", [3]) == "Odd (4 more rows are like it, 2 of them before)."
    assert alike.told("Odd.", [1]) == "Odd (1 more row is like it)."
    assert alike.told("Odd.", [7]) == "Odd."


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


@pytest.mark.parametrize("chosen", [{"top": 1}, {"contamination": 0.001}])
def test_the_next_unusual_rows_have_a_reason_however_few_are_flagged(
    chosen: dict[str, Any],
) -> None:
    clean, vectors, table, new = several()
    result = checked(clean, vectors, table, new, **chosen)
    told = result.rows.filter(pl.col("reason").is_not_null())
    assert result.summary["flagged"] <= 2
    assert told.height >= 50
    assert told["new"].sum() >= 10


def test_shares_of_a_view_are_those_of_the_known_rows() -> None:
    clean, vectors, table, new = several()
    rows = checked(clean, vectors, table, new).rows
    history = rows.filter(~pl.col("new"))
    for name in ("text_score", "match_score"):
        said = history[name].to_numpy()
        assert said.max() < 1
        assert [(said < share).mean() for share in said[:50]] == pytest.approx(said[:50].tolist())


def test_a_flood_of_new_junk_is_one_entry_that_tells_its_size() -> None:
    rows = checked(*later(30)).rows
    assert rows["new"].sum() == 40
    junk = rows[160:190]
    assert junk["group"].n_unique() == 1
    assert junk["flagged"].sum() == 1
    assert "29 more rows are like it" in junk.filter("flagged")["reason"][0]


def test_without_enough_history_all_rows_are_held_against_all() -> None:
    clean, vectors, table, _ = later(0)
    result = checked(clean, vectors, table, np.arange(ROWS) >= 50)
    assert result.summary["against_history"] is None
    assert result.rows["new"].sum() == ROWS - 50
    assert result.rows["p_value"].equals(checked(clean, vectors, table).rows["p_value"])


def test_features_that_are_not_finite_do_no_harm() -> None:
    clean, vectors, table = odd_table()
    table[:5] = [np.nan, np.inf, -np.inf, 0]
    endless = clean.with_columns(pl.lit(np.inf).alias("number.height"))
    assert checked(endless, vectors, table).rows["table_score"].is_not_null().all()


word = st.sampled_from(["bird", "engine", "", "12", "<b>", "鸟击", "no damage"])


@settings(max_examples=40, deadline=None)
@given(st.lists(word, max_size=25), st.integers(0, 4), st.integers(0, 2), st.integers(0, 3))
def test_every_row_is_ranked_once_whatever_the_table(
    texts: list[str], width: int, spread: int, seed: int
) -> None:
    rows = len(texts)
    columns = {
        "number_n": pl.Series(np.round(cloud(rows, 1, seed)[:, 0] * spread), dtype=pl.Float64),
        "number_empty": pl.Series([None] * rows, dtype=pl.Float64),
        "category_c": pl.Series([None, "a", "b"] * rows, dtype=pl.String)[:rows],
    }
    checked(
        clean_table(texts, **columns),
        np.round(cloud(rows, 4, seed) * spread).astype(np.float32),
        np.round(cloud(rows, width, seed + 1) * spread).astype(np.float32),
        contamination=0.3,
    )


def test_rows_that_are_not_flagged_have_a_reason_if_they_are_among_the_most_unusual() -> None:
    draw = np.random.default_rng(5)
    clean = clean_table([f"gate {'abcdefgh'[i % 8] * (i // 8 + 2)} was shut" for i in range(600)])
    new = np.arange(600) >= 500
    result = anomaly(clean, unit(cloud(600, 6)), draw.normal(size=(600, 3)).astype(np.float32),
                     ["a", "b", "c"], AnomalySettings(), new)  # fmt: skip
    assert result.summary["flagged"] == 0
    told = result.rows.filter(pl.col("reason").is_not_null())
    assert 50 <= told.height <= 60
    assert told["new"].sum() >= 10
