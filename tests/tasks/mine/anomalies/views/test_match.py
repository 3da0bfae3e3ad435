"""Rows whose columns contradict their text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from support.odd_rows import KINDS
from support.present import present

from fusemine.tasks.fuse.features import fit_features
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.mine.anomalies.evidence import CategoryMismatch, NumberMismatch
from fusemine.tasks.mine.anomalies.views.match import MIN_ROWS, Match, match_texts
from fusemine.tasks.mine.anomalies.views.view import Table
from fusemine.tasks.text.distinct import distinct_texts

ROWS, SWAPPED = 600, 12
Floats = NDArray[np.float32]


def consistent(rows: int = ROWS) -> tuple[pl.DataFrame, Floats]:
    """Texts that name an animal and its weight, with columns that agree."""
    draw = np.random.default_rng(0)
    kind = draw.integers(0, 4, rows)
    weight = 10.0**kind * draw.uniform(1, 2, rows)
    texts = [f"struck a {KINDS[k]} near gate {i % 97}, row {i}" for i, k in enumerate(kind)]
    vectors = 0.3 * draw.normal(size=(rows, 8))
    vectors[np.arange(rows), kind] += 2
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    columns = {
        "row_id": [str(i) for i in range(rows)],
        "text": texts,
        "has_text": [True] * rows,
        "category.animal": [KINDS[k] for k in kind],
        "category.moon": [str(moon) for moon in draw.integers(0, 5, rows)],
        "number.weight": weight,
    }
    return pl.DataFrame(columns), vectors.astype(np.float32)


def table_of(clean: pl.DataFrame, vectors: Floats) -> Table:
    blocks = list(fit_features(clean, vectors, FuseSettings()).values())[1:]
    names = [name for block in blocks for name in block.names]
    return Table(clean, np.hstack([block.matrix for block in blocks]), names)


def matched(clean: pl.DataFrame, vectors: Floats, known: NDArray[np.bool_] | None = None) -> Match:
    seen = np.ones(clean.height, bool) if known is None else known
    texts, table = distinct_texts(clean, vectors), table_of(clean, vectors)
    return present(match_texts(texts, table, seen))


def swapped() -> tuple[pl.DataFrame, Floats]:
    """The first rows have the animal and the weight of another kind."""
    clean, vectors = consistent()
    animals, weights = clean["category.animal"].to_list(), clean["number.weight"].to_list()
    for row in range(SWAPPED):
        kind = (KINDS.index(animals[row]) + 2) % 4
        animals[row], weights[row] = KINDS[kind], 10.0**kind * 1.5
    return clean.with_columns(
        pl.Series("category.animal", animals), pl.Series("number.weight", weights)
    ), vectors


def test_rows_that_contradict_their_text_come_first() -> None:
    found = matched(*swapped())
    first = np.argsort(-found.scores)[:SWAPPED]
    assert (first < SWAPPED).mean() > 0.9


def test_the_column_that_contradicts_is_reported_with_what_the_text_suggests() -> None:
    clean, vectors = swapped()
    found = matched(clean, vectors)
    mismatch = found.mismatch(0)
    suggested = str(clean["text"][0]).split()[2]
    assert isinstance(mismatch, CategoryMismatch)
    assert (mismatch.column, mismatch.suggested) == ("animal", suggested)
    assert mismatch.value == clean["category.animal"][0] != suggested
    assert 0.5 <= mismatch.probability <= 1


def test_a_number_that_contradicts_is_reported_with_the_number_that_the_text_suggests() -> None:
    clean, vectors = consistent()
    weights = clean["number.weight"].to_list()
    row = int(clean["category.animal"].to_list().index("deer"))
    weights[row] = 1_500.0
    found = matched(
        clean.drop("category.animal").with_columns(pl.Series("number.weight", weights)), vectors
    )
    mismatch = found.mismatch(row)
    assert isinstance(mismatch, NumberMismatch)
    assert (mismatch.column, mismatch.value) == ("weight", 1500)
    assert mismatch.suggested < 50
    assert mismatch.size == ROWS
    assert mismatch.closer == 1 - 1 / ROWS


def test_rows_that_agree_with_their_text_have_no_mismatch() -> None:
    found = matched(*consistent())
    assert sum(found.mismatch(row) is not None for row in range(ROWS)) < 0.02 * ROWS


def test_a_row_without_text_is_not_matched() -> None:
    clean, vectors = consistent()
    silent = np.arange(ROWS) == 7
    clean = clean.with_columns(has_text=pl.Series(~silent))
    found = matched(clean, vectors)
    assert (np.isnan(found.scores) == silent).all()


def test_nothing_is_learned_from_new_rows() -> None:
    clean, vectors = swapped()
    known = np.arange(ROWS) < 500
    found = matched(clean, vectors, known)
    other = vectors.copy()
    other[~known] = other[~known][::-1]
    again = matched(clean, other, known)
    assert (found.scores[known] == again.scores[known]).all()
    assert (found.scores[~known] != again.scores[~known]).any()


@pytest.mark.parametrize("new", [1, 7, 50, 100])
def test_history_is_scored_the_same_however_many_new_texts_there_are(new: int) -> None:
    clean, vectors = swapped()
    whole, scores = table_of(clean, vectors), []
    for rows in (500, 500 + new):
        part = clean[:rows]
        texts = distinct_texts(part, vectors[:rows])
        table = replace(whole, clean=part, features=whole.features[:rows])
        found = present(match_texts(texts, table, np.arange(rows) < 500))
        scores.append(found.scores[:500])
    assert (scores[0] == scores[1]).all()


def test_models_learn_from_an_even_sample_of_many_rows_and_score_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fusemine.tasks.mine.anomalies.views.match.MAX_TRAINING", 300)
    clean, vectors = swapped()
    found = matched(clean, vectors)
    assert not np.isnan(found.scores).any()
    assert (np.argsort(-found.scores)[:SWAPPED] < SWAPPED).mean() > 0.9


@pytest.mark.parametrize("rows", [0, 1, 3, MIN_ROWS - 1])
def test_few_rows_are_not_matched(rows: int) -> None:
    clean, vectors = consistent(ROWS)
    table = np.ones((ROWS, 1), np.float32)
    table[0] = 2
    texts = distinct_texts(clean[:rows], vectors[:rows])
    few = Table(clean[:rows], table[:rows], ["numbers.weight"])
    assert match_texts(texts, few, np.ones(rows, bool)) is None
