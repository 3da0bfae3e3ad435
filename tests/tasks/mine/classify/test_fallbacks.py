"""What cannot be learnt, or only with a fallback: the summary names each."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from support.incidents import ROWS, classified, incidents


def test_two_rows_of_a_class_in_five_folds_are_noted() -> None:
    labels = ["rare", "rare", *["a", "b"] * ((ROWS - 2) // 2)]
    summary = classified(*incidents(label=labels), test_from="1995-05").summary
    assert summary["skipped"] is None
    assert any("rare" in note and "5 folds" in note for note in summary["notes"])


def test_columns_of_one_value_are_noted_and_do_no_harm() -> None:
    clean, vectors = incidents()
    clean = clean.with_columns(pl.lit("same").alias("category.sky"))
    summary = classified(clean, vectors).summary
    assert any(note.startswith("sky has one value") for note in summary["notes"])


def test_a_table_of_constants_predicts_the_shares_with_a_note() -> None:
    clean, vectors = incidents()
    same = {"text": "the same text", "category.sky": "same", "number.speed": 1, "number.height": 2}
    times = pl.lit(None, pl.Datetime("us", "UTC"))
    clean = clean.with_columns(*(pl.lit(value).alias(name) for name, value in same.items()))
    made = classified(clean.with_columns(event_time=times), np.ones_like(vectors))
    assert made.summary["metrics"]["both"]["roc_auc"] == pytest.approx(0.5, abs=0.05)
    assert any("one value in all training rows" in note for note in made.summary["notes"])


def test_levels_that_only_the_test_rows_have_are_counted() -> None:
    clean, vectors = incidents()
    late = pl.int_range(pl.len()) >= 150
    sky = pl.when(late).then(pl.lit("hail")).otherwise("category.sky").alias("category.sky")
    notes = classified(clean.with_columns(sky), vectors, test_from="1995-05").summary["notes"]
    assert any("sky (10 rows, 25 %)" in note for note in notes)


def test_columns_and_ids_that_give_the_label_away_are_named() -> None:
    clean, vectors = incidents()
    leak = pl.when(pl.col("label") == "positive").then(pl.lit("closed")).otherwise(pl.lit("open"))
    ids = pl.col("label") + pl.col("row_id")
    clean = clean.with_columns(leak.alias("category.outcome"), row_id=ids)
    found = classified(clean, vectors, checks=True).summary["leaks"]["columns"]
    assert {leak["column"] for leak in found} == {"outcome", "row_id"}


def test_shuffled_labels_teach_nothing() -> None:
    checked = classified(*incidents(300), checks=True).summary["shuffled"]
    assert checked["ok"]
    assert abs(checked["score"] - checked["chance"]) <= checked["tolerance"]


def test_the_learning_curve_ends_at_all_training_rows() -> None:
    summary = classified(*incidents(300), checks=True).summary
    curve = summary["learning_curve"]
    assert [point["rows"] for point in curve] == [24, 60, 120, 240]
    assert curve[-1]["average_precision"] == summary["metrics"]["both"]["average_precision"]
    assert curve[-1]["average_precision"] > curve[0]["average_precision"]


def test_flipped_labels_come_first_among_the_label_errors() -> None:
    clean, vectors = incidents(400)
    flipped = np.random.default_rng(3).choice(400, 10, replace=False)
    truth = clean["label"].to_list()
    for i in flipped:
        truth[i] = "negative" if truth[i] == "positive" else "positive"
    # Labels that are easy to predict, so that a flipped one stands out.
    speed = (clean["label"] == "positive").cast(pl.Float64).alias("number.speed")
    made = classified(clean.with_columns(speed, label=pl.Series(truth)), vectors)
    first = set(made.label_errors.head(30)["row_id"])
    assert len(first & {f"r{i}" for i in flipped}) >= 8
    assert made.label_errors["rank"].to_list() == list(range(1, made.label_errors.height + 1))


def test_at_most_as_many_label_errors_are_listed_as_wanted() -> None:
    made = classified(*incidents(400), doubtful=5)
    assert made.label_errors.filter(pl.col("kind") == "likely error").height == 5
    assert made.summary["doubts"]["listed"] == 5
    assert made.summary["doubts"]["estimated"] >= 5


def test_a_threshold_decides_and_rows_may_stay_undecided() -> None:
    decision = {"false_positive": 1, "false_negative": 10}
    eager = classified(*incidents(300), decision=decision, abstain=0.75)
    summary, found = eager.summary, eager.predictions
    assert summary["decision"]["threshold"] < 0.5
    for name in ("positive", "negative"):
        called = found.filter(pl.col("prediction") == name)
        assert called["probability"].to_list() == called[f"probability.{name}"].to_list()
    assert found["prediction"].null_count() > 0
    assert summary["decision"]["share"] < 1
    plain = classified(*incidents(300))
    recall = [made.summary["metrics"]["chosen"]["recall"] for made in (eager, plain)]
    assert recall[0] >= recall[1]


def test_a_group_that_the_model_fails_is_flagged() -> None:
    clean, vectors = incidents(1200)
    # In fog nothing is as it is elsewhere: the label is a coin there, mostly negative.
    coin = pl.Series(np.random.default_rng(7).random(1200) < 0.3)
    fog = pl.col("category.sky") == "fog"
    label = pl.when(fog & coin).then(pl.lit("positive")).when(fog).then(pl.lit("negative"))
    made = classified(
        clean.with_columns(label=label.otherwise("label")), vectors, groups=["sky"], split="random"
    )
    [column] = made.summary["groups"]
    levels = {level["level"]: level for level in column["levels"]}
    assert set(levels) == {"clear", "fog", "cloud"}
    assert sum(level["rows"] for level in column["levels"]) == made.summary["rows"]["test"]
    assert levels["fog"]["flagged"]
    assert not levels["clear"]["flagged"]
    assert levels["fog"]["recall"] < levels["clear"]["recall"]


def test_rows_are_explained_with_words_and_columns() -> None:
    made = classified(*incidents(300), explain=3)
    explained = made.summary["explanations"]
    assert len(explained) == 3
    for row in explained:
        listed = sum(feature["contribution"] for feature in row["features"]) + row["others"]
        assert row["base"] + listed == pytest.approx(row["prediction"], abs=1e-3)
    surest = next(row for row in explained if row["why"] == "surest")
    weights = {word["text"]: word["weight"] for word in surest["words"]}
    assert max(weights, key=lambda word: weights[word]) == "engine"


def test_the_importance_of_the_best_columns_is_largest() -> None:
    found = classified(*incidents(600)).summary["importance"]
    falls = {part["name"]: part["fall"] for part in found}
    assert min(falls["text"], falls["speed"]) > max(falls["sky"], falls["height"])


def test_copies_among_the_test_rows_are_noted() -> None:
    clean, vectors = incidents()
    copies = [f"r{i - 140}" if i >= 140 else None for i in range(ROWS)]
    clean = clean.with_columns(duplicate_of=pl.Series(copies))
    notes = classified(clean, vectors, test_from="1995-05").summary["notes"]
    assert any("20 test rows (50 %) are copies" in note for note in notes)


def test_one_group_of_training_rows_is_neither_calibrated_nor_audited() -> None:
    clean, vectors = incidents(200)
    made = classified(clean.with_columns(group=pl.lit("g")), vectors)
    assert made.summary["folds"] == 1
    assert made.summary["model"]["calibration"] == "none"
    assert made.summary["metrics"]["chosen"]["roc_auc"] > 0.8
    tested = set(made.predictions.filter(pl.col("split") == "test")["row_id"])
    errors = made.label_errors.filter(pl.col("kind") == "likely error")
    assert set(errors["row_id"]) <= tested
    assert any("All training rows belong together" in note for note in made.summary["notes"])


def test_settings_without_effect_are_noted() -> None:
    clean, vectors = incidents()
    notes = classified(clean, vectors, class_weights={"positve": 5}).summary["notes"]
    assert "classify.class_weights names no class 'positve'." in notes
    three = pl.when(pl.col("category.sky") == "fog").then(pl.lit("fog")).otherwise("label")
    decided = classified(clean.with_columns(label=three), vectors, decision={"precision": 0.9})
    assert "classify.decision has no effect: the label is of 3 classes." in decided.summary["notes"]


@pytest.mark.parametrize("learner", ["svm", "logistic", "boosted", "neighbours"])
@pytest.mark.parametrize("strategy", ["early", "stacked"])
def test_the_unit_of_a_number_does_not_matter(learner: str, strategy: str) -> None:
    clean, vectors = incidents(150)
    cost = 3 * clean["text"].str.contains("engine").cast(pl.Float64) + clean["number.speed"]
    explained = []
    for factor, offset in ((1.0, 0.0), (1e-7, 0.0), (1e6, 1e8)):
        label = (cost * factor + offset).map_elements(repr, return_dtype=pl.String)
        chosen = {"learner": learner, "strategy": strategy}
        made = classified(clean.with_columns(label=label), vectors, number=True, **chosen)
        explained.append(made.summary["metrics"]["chosen"]["r2"])
    assert explained[0] > 0.3
    assert explained == pytest.approx([explained[0]] * 3, abs=0.02)


@pytest.mark.parametrize("learner", ["boosted", "forest", "network"])
def test_numbers_that_no_float32_holds_do_no_harm(learner: str) -> None:
    clean, vectors = incidents()
    far = pl.when(pl.int_range(pl.len()) % 7 == 0).then(1e39).otherwise("number.speed")
    made = classified(clean.with_columns(far.alias("number.speed")), vectors, learner=learner)
    assert made.summary["skipped"] is None


def test_a_number_too_large_to_measure_is_skipped() -> None:
    clean, vectors = incidents()
    labels = pl.Series(["1.0"] * (ROWS - 1) + ["1e300"])
    made = classified(clean.with_columns(label=labels), vectors, number=True)
    assert "too large" in made.summary["skipped"]


def test_hostile_names_and_digits_do_no_harm_to_the_checks() -> None:
    clean, vectors = incidents()
    long = " ".join(f"word{i}" for i in range(400))
    clean = clean.with_columns(
        label=pl.col("label").replace({"negative": long}),
        text=pl.col("text") + " ١٢٣ (.*",
        row_id=pl.Series([f"行{'１２３'[i % 3]}-{i}" for i in range(ROWS)]),
    )
    assert classified(clean, vectors, checks=True).summary["leaks"] is not None


def test_intervals_are_wider_where_rows_come_in_groups() -> None:
    clean, vectors = incidents(400)
    of_row = (np.arange(400) // 40) * 40
    copied = clean[of_row].with_columns(clean["row_id"], clean["event_time"])
    groups = pl.Series([f"g{first}" for first in of_row])
    widths = []
    for rows in (copied, copied.with_columns(group=groups)):
        made = classified(rows, vectors[of_row], resamples=200)
        low, high = made.summary["metrics"]["both"]["accuracy_interval"]
        widths.append(high - low)
    assert widths[1] > widths[0]
