"""The fitted classifier on new rows, and fitting the chosen model again."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.incidents import incidents
from support.present import present

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.pack.pack import pack, unpack
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.classify.classify import Classification, classify, refit
from fusemine.tasks.mine.classify.contracts import PREDICTIONS
from fusemine.tasks.mine.classify.model import Classifier
from fusemine.tasks.mine.classify.settings import ClassifySettings

Table = tuple[pl.DataFrame, Any]
CASES: dict[str, dict[str, Any]] = {
    "early": {},
    "late": {"strategy": "late"},
    "stacked": {"strategy": "stacked"},
    "gated": {"strategy": "gated"},
    "auto": {"strategy": "auto", "budget": 60},
    "costs": {"decision": {"false_positive": 1, "false_negative": 5}, "abstain": 0.7},
    "random": {"split": "random", "class_weights": "balanced", "folds": 2},
    "number": {"strategy": "stacked"},
    "three": {"strategy": "late"},
}


def table(case: str) -> Table:
    columns: dict[str, Any] = {}
    if case == "number":
        columns["label"] = [str(float(i % 7)) for i in range(160)]
    if case == "three":
        columns["label"] = [None if i % 9 == 0 else "abc"[i % 3] for i in range(160)]
    return incidents(**columns)


@cache
def fitted(case: str) -> tuple[Classification, Classifier]:
    """The result, and the classifier that was fitted again from the choice."""
    usual = {"strategy": "early", "resamples": 20, "explain": 0, "checks": False, "doubtful": 0}
    settings, fusing = ClassifySettings(**{**usual, **CASES[case]}), FuseSettings()
    clean, vectors = table(case)
    number = case == "number"
    result = classify(clean, vectors, settings, fusing, number=number)
    chosen = unpack(pack(present(result.choice)))
    return result, refit(clean, vectors, settings, fusing, chosen, number=number)


@pytest.mark.parametrize("case", CASES)
def test_the_choice_predicts_the_test_rows_as_before_when_fitted_again(case: str) -> None:
    result, classifier = fitted(case)
    others = (result.predictions["split"] != "train").to_numpy()
    before = result.predictions.filter(others)
    rows = Rows(*table(case)).take(np.flatnonzero(others))
    found = classifier.predictions(classifier.predict(rows))
    assert found.equals(before.select(found.columns))


@pytest.mark.parametrize("case", ["early", "auto", "gated", "number", "three"])
def test_a_row_has_the_same_bits_in_every_batch(case: str) -> None:
    _, classifier = fitted(case)
    rows = Rows(*table(case))
    whole = classifier.predict(rows)
    for size, count in ((1, 12), (7, 42), (60, len(rows))):
        parts = np.array_split(np.arange(count), range(size, count, size))
        found = np.concatenate([classifier.predict(rows.take(part)) for part in parts])
        assert found.tobytes() == whole[:count].tobytes()


@pytest.mark.parametrize("case", ["costs", "number", "three"])
def test_no_rows_have_no_predictions(case: str) -> None:
    result, classifier = fitted(case)
    nothing = Rows(*table(case)).take(np.zeros(0, np.intp))
    found = classifier.predictions(classifier.predict(nothing))
    assert found.height == 0
    assert found.schema == result.predictions.select(found.columns).schema


def test_predictions_keep_their_contract() -> None:
    _, classifier = fitted("costs")
    rows = Rows(*table("costs"))
    found = classifier.predictions(classifier.predict(rows))
    named = rows.clean.select("row_id", pl.lit("new").alias("split"), "label").hstack(found)
    PREDICTIONS.check(named.to_arrow())
    assert set(found["prediction"].to_list()) == {"positive", "negative", None}
    undecided = found.filter(pl.col("prediction").is_null())
    assert undecided["probability"].max() < 0.7


def test_a_choice_is_small() -> None:
    result, _ = fitted("auto")
    assert sum(map(len, pack(result.choice).values())) < 10_000


def test_of_a_label_that_cannot_be_learnt_nothing_is_chosen_and_nothing_fitted() -> None:
    clean, vectors = table("early")
    settings, fusing = ClassifySettings(checks=False), FuseSettings()
    chosen = present(fitted("early")[0].choice)
    unlabelled = clean.with_columns(pl.lit(None, pl.String).alias("label"))
    assert classify(unlabelled, vectors, settings, fusing).choice is None
    with pytest.raises(ModelError, match="no row has a label"):
        refit(unlabelled, vectors, settings, fusing, chosen)
