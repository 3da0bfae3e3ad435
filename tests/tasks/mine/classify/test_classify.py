"""Learning the label: which model predicts which rows, how it is tested, and when it cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score
from support.frames import frame
from support.incidents import ROWS, classified, incidents
from threadpoolctl import threadpool_info

from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.mine.classify.classify import classify
from fusemine.tasks.mine.classify.settings import ClassifySettings
from fusemine.tasks.mine.classify.splits import split_rows
from fusemine.tasks.stats.sampling import stratified_folds, with_duplicates
from fusemine.tasks.stats.threads import one_thread


def auc(found: pl.DataFrame, split: str) -> float:
    rows = found.filter(pl.col("split") == split)
    return float(roc_auc_score(rows["label"] == "positive", rows["probability.positive"]))


def test_text_and_table_together_beat_either_alone() -> None:
    result = classified(*incidents(600), test_from="1996", resamples=100)
    summary = result.summary
    assert summary["main"] == "both"
    both, text, table = (summary["metrics"][view] for view in ("both", "text", "table"))
    assert both["average_precision"] > max(text["average_precision"], table["average_precision"])
    assert both["average_precision"] > 0.9
    assert summary["gain"]["interval"][0] > 0
    low, high = both["roc_auc_interval"]
    assert low <= both["roc_auc"] <= high
    assert both["roc_auc"] == pytest.approx(auc(result.predictions, "test"), abs=1e-6)
    assert auc(result.predictions, "train") > 0.9


def test_the_summary_records_what_was_done() -> None:
    summary = classified(*incidents(), test_from="1995-05").summary
    assert summary["classes"] == ["negative", "positive"]
    assert summary["positive"] == "positive"
    assert summary["test_from"] == "1995-05-01"
    assert summary["rows"] == {"train": 120, "test": 40, "unlabelled": 0, "unused": 0}
    assert "1995-05-01" in summary["split"]
    assert 0 < summary["base_rate"] < 1
    assert summary["confusion"]["labels"] == summary["classes"]
    assert summary["terms"]["positive"][0][0] == "engine"
    assert len(summary["calibration"]) == 10
    assert summary["curve"]["recall"][-1] == 1


@pytest.mark.parametrize("strategy", ["early", "auto"])
def test_labels_without_meaning_cannot_be_predicted_out_of_fold(strategy: str) -> None:
    clean, vectors = incidents(400)
    unique = [f"{text} number{i}" for i, text in enumerate(clean["text"])]
    coin = np.random.default_rng(1).choice(["positive", "negative"], 400).tolist()
    clean = clean.with_columns(text=pl.Series(unique), label=pl.Series(coin))
    found = classified(clean, vectors, strategy=strategy).predictions
    assert auc(found, "train") == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("strategy", ["early", "auto"])
def test_test_rows_do_not_change_the_predictions_of_training_rows(strategy: str) -> None:
    clean, vectors = incidents()
    later = clean["event_time"] >= datetime(1995, 5, 1, tzinfo=UTC)
    other = clean.with_columns(
        text=pl.when(later).then(pl.lit("something else")).otherwise("text"),
        label=pl.when(later & (pl.int_range(pl.len()) % 2 == 0))
        .then(pl.lit("negative"))
        .otherwise("label"),
    )
    chosen = {"test_from": "1995-05", "strategy": strategy, "budget": 60}
    before = classified(clean, vectors, **chosen).predictions
    after = classified(other, vectors, **chosen).predictions
    train = before["split"] == "train"
    assert before.filter(train).equals(after.filter(train))


def test_rows_without_label_are_predicted_and_not_learnt_from() -> None:
    clean, vectors = incidents()
    unlabelled = np.arange(ROWS) % 10 == 0
    clean = clean.with_columns(label=pl.when(pl.Series(unlabelled)).then(None).otherwise("label"))
    result = classified(clean, vectors)
    found = result.predictions.filter(pl.Series(unlabelled))
    assert set(found["split"]) == {"unlabelled"}
    assert result.summary["rows"] == {"train": 115, "test": 29, "unlabelled": 16, "unused": 0}


def test_one_thread_reaches_every_library_that_computes() -> None:
    with one_thread():
        assert {library["num_threads"] for library in threadpool_info()} == {1}


def test_progress_counts_every_fold_and_the_model_of_all_training_rows() -> None:
    reported: list[tuple[int, int]] = []
    settings = ClassifySettings(strategy="early", folds=3, resamples=20, explain=0, checks=False)
    classify(
        *incidents(), settings, FuseSettings(), lambda done, total: reported.append((done, total))
    )
    # Two models in each of three folds, then two of each of five views of the training rows.
    assert reported == [(done, 16) for done in range(1, 17)]


def test_more_than_two_classes_are_learnt() -> None:
    clean, vectors = incidents(400)
    harmed = pl.col("label") == "positive"
    three = pl.when(harmed).then(pl.lit("harm")).when(pl.col("category.sky") == "fog")
    label = three.then(pl.lit("fog")).otherwise(pl.lit("else"))
    summary = classified(clean.with_columns(label=label), vectors).summary
    assert summary["classes"] == ["else", "fog", "harm"]
    assert summary["positive"] is None
    assert summary["curve"] is None
    assert summary["calibration"] is None
    assert summary["metrics"]["both"]["average_precision"] > 0.7
    assert summary["base_rate"] == pytest.approx(1 / 3, abs=1e-6)
    assert set(summary["terms"]) == {"else", "fog", "harm"}


def test_of_two_classes_the_rarer_one_is_positive_unless_one_is_called_so() -> None:
    clean, vectors = incidents()
    renamed = clean.with_columns(pl.col("label").replace({"positive": "a", "negative": "z"}))
    assert classified(renamed, vectors).summary["positive"] == "a"
    named = clean.with_columns(pl.col("label").replace({"negative": "positive", "positive": "z"}))
    assert classified(named, vectors).summary["positive"] == "positive"


TEXT_ALONE = dict.fromkeys(("number.speed", "number.height", "category.sky"))


@pytest.mark.parametrize(
    ("columns", "main", "other", "reason"),
    [
        (TEXT_ALONE, "text", "table", "no category or number"),
        ({"text": [""] * ROWS}, "table", "text", "no text"),
    ],
)
def test_text_or_table_alone_is_learnt(
    columns: dict[str, Any], main: str, other: str, reason: str
) -> None:
    summary = classified(*incidents(**columns)).summary
    assert summary["main"] == main
    assert summary["metrics"][main]["roc_auc"] > 0.6
    for view in (other, "both"):
        assert reason in summary["metrics"][view]["skipped"]
    assert summary["gain"]["value"] is None
    assert any(summary["terms"].values()) == (main == "text")


SKIPPED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("no row has a label", {"label": [None] * ROWS}, {}),
    ("no row has a label", {"rows": 0}, {}),
    ("only 1 rows", {"rows": 1}, {}),
    ("only 3 rows", {"label": ["a", "b", "a"] + [None] * (ROWS - 3)}, {}),
    ("one class, 'x'", {"label": ["x"] * ROWS}, {}),
    ("160 classes", {"label": [f"c{i}" for i in range(ROWS)]}, {}),
    ("columns.label.kind", {"label": [f"c{i}" for i in range(ROWS)]}, {}),
    ("do not hold two rows", {"label": ["a"] + ["b"] * (ROWS - 1)}, {}),
    ("do not hold two rows", {"label": ["a"] * 120 + ["b"] * 40}, {"test_from": "1995-05"}),
    ("neither", {"text": [""] * ROWS}, {"weights": {"numbers": 0, "categories": 0}}),
]


@pytest.mark.parametrize(("reason", "columns", "chosen"), SKIPPED)
def test_what_cannot_be_learnt_is_skipped_with_its_reason(
    reason: str, columns: dict[str, Any], chosen: dict[str, Any]
) -> None:
    skipped = classified(*incidents(**columns), **chosen).summary
    assert reason in skipped["skipped"]
    assert skipped.keys() == classified(*incidents(40)).summary.keys()


def test_a_test_part_of_one_class_has_metrics_that_are_null_with_a_reason() -> None:
    labels = ["a", "b"] * 60 + ["a"] * 40
    summary = classified(*incidents(label=labels), test_from="1995-05").summary
    both = summary["metrics"]["both"]
    assert both["average_precision"] is None
    assert "one class" in both["reason"]
    assert both["accuracy"] is not None
    assert summary["base_rate"] is None


def test_a_class_that_only_the_test_rows_have_is_never_predicted() -> None:
    labels = ["a", "b"] * 60 + ["c", "a"] * 20
    found = classified(*incidents(label=labels), test_from="1995-05").predictions
    assert found["probability.c"].max() == 0


def test_a_class_of_one_row_does_no_harm() -> None:
    labels = ["only", *["a", "b"] * 79, "a"]
    assert classified(*incidents(label=labels)).summary["classes"] == ["a", "b", "only"]


def test_columns_without_values_and_hostile_texts_do_no_harm() -> None:
    hostile = ["<script>alert(1)</script>", "\x00", "鳥", "a" * 5000, "", " ", "{{7*7}}", "…"]
    clean, vectors = incidents(text=hostile * 20)
    clean = clean.with_columns(
        pl.lit(None, pl.Float64).alias("number.speed"),
        pl.lit(None, pl.String).alias("category.sky"),
        pl.lit(float("inf")).alias("number.height"),
    )
    assert classified(clean, vectors).summary["skipped"] is None


def test_a_text_that_only_one_row_has_does_no_harm() -> None:
    texts = [""] * (ROWS - 1) + ["the only text"]
    clean, vectors = incidents(text=texts)
    clean = clean.drop(pl.selectors.contains("."))
    found = classified(clean, vectors).predictions
    assert found.filter(pl.col("split") == "train")["probability"].n_unique() <= 10


def test_rows_that_are_all_copies_of_one_do_no_harm() -> None:
    clean, vectors = incidents(duplicate_of=[None] + ["r0"] * (ROWS - 1))
    summary = classified(clean, vectors).summary
    assert summary["folds"] == 1


def times(texts: Sequence[str | None]) -> pl.DataFrame:
    """Rows with these event times, all labelled."""
    parsed = [None if t is None else datetime.fromisoformat(t).replace(tzinfo=UTC) for t in texts]
    return frame({"event_time": parsed, "label": ["a"] * len(texts)})


def test_the_rows_from_the_given_day_on_are_test_rows() -> None:
    some = times(["1996-01-01", "1995-12-31T23:59", "1997-05-01", None])
    split = split_rows(some, ClassifySettings(test_from=1996))
    assert split.test.tolist() == [0, 2]
    assert split.train.tolist() == [1, 3]


def test_the_given_day_begins_at_midnight_of_the_time_zone() -> None:
    some = times(["1995-12-31T22:59", "1995-12-31T23:00", "1996-05-01"])
    split = split_rows(some, ClassifySettings(test_from=1996), "Europe/Berlin")
    assert split.test.tolist() == [1, 2]


@pytest.mark.parametrize("test_from", [None, "1990", "2001"])
def test_otherwise_the_newest_fifth_are_test_rows(test_from: str | None) -> None:
    some = times([f"199{9 - i}-01-01" for i in range(10)])
    split = split_rows(some, ClassifySettings(test_from=test_from))
    assert split.test.tolist() == [0, 1]
    assert split.test_from == "1998-01-01T00:00:00+00:00"
    assert "newest 20%" in split.description
    assert ("does not leave" in split.description) == (test_from is not None)


def test_without_times_the_last_fifth_are_test_rows() -> None:
    split = split_rows(times([None] * 10), ClassifySettings(test_from="1996"))
    assert split.test.tolist() == [8, 9]
    assert split.test_from is None
    assert "last 20%" in split.description


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 5)), max_size=30))
def test_every_row_is_in_one_part_and_no_test_row_is_older(
    rows: list[tuple[str | None, int]],
) -> None:
    some = times([f"199{year}-01-01" for _, year in rows])
    some = some.with_columns(label=pl.Series([label for label, _ in rows], dtype=pl.String))
    split = split_rows(some, ClassifySettings(test_from="1993"))
    every = np.concatenate([split.train, split.test, split.unlabelled])
    assert sorted(every.tolist()) == list(range(len(rows)))
    years = np.array([year for _, year in rows])
    if len(split.train) and len(split.test):
        assert years[split.train].max() <= years[split.test].min()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(2, 6))
def test_folds_hold_every_class_evenly(codes: list[int], folds: int) -> None:
    given_codes = np.array(codes, dtype=np.int64)
    fold = stratified_folds(given_codes, folds, seed=0)
    for code in set(codes):
        counts = np.bincount(fold[given_codes == code], minlength=folds)
        assert counts.max() - counts.min() <= 1
    assert fold.tolist() == stratified_folds(given_codes, folds, seed=0).tolist()


def test_copies_are_in_the_fold_of_their_original() -> None:
    rows = pl.DataFrame({"row_id": list("abcd"), "duplicate_of": [None, "a", "gone", "a"]})
    fold = with_duplicates(np.array([3, 1, 2, 0]), rows)
    assert fold.tolist() == [3, 3, 2, 3]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1996, date(1996, 1, 1)),
        ("1996", date(1996, 1, 1)),
        ("1996-03", date(1996, 3, 1)),
        ("1996-03-04", date(1996, 3, 4)),
        (date(1996, 3, 4), date(1996, 3, 4)),
        (None, None),
    ],
)
def test_test_from_may_be_a_year_a_month_or_a_day(value: Any, expected: date | None) -> None:
    settings = ClassifySettings(test_from=value)
    assert settings.test_from == expected
    assert ClassifySettings(**settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize("value", ["soon", "1996-13", True, "1996-W01", 19960101])
def test_test_from_that_is_not_a_day_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        ClassifySettings(test_from=value)


def test_weights_left_out_keep_their_defaults() -> None:
    weights = ClassifySettings.model_validate({"weights": {"terms": 3}}).weights
    assert weights.terms == 3
    assert weights.text == ClassifySettings().weights.text


def test_only_explaining_rows_uses_the_encoder() -> None:
    encoded: list[int] = []
    clean, vectors = incidents()

    def encode(texts: list[str]) -> NDArray[np.float32]:
        encoded.append(len(texts))
        return np.zeros((len(texts), vectors.shape[1]), dtype=np.float32)

    for explain in (0, 1):
        settings = ClassifySettings(strategy="early", resamples=20, explain=explain, checks=True)
        classify(clean, vectors, settings, FuseSettings(), encode=encode)
        assert len(encoded) == explain
