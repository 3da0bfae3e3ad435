"""Topics of the texts, end to end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.heaps import SUBJECTS, rows_of

from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine.topic_chain.advance import advance
from fusemine.tasks.mine.topic_chain.naming.examples import SHOWN
from fusemine.tasks.mine.topic_chain.registry import NO_TEXT, NO_TEXT_NAME, State
from fusemine.tasks.mine.topic_chain.settings import TopicsSettings
from fusemine.tasks.mine.topics import STAGE
from fusemine.tasks.mine.topics.compute import assign_topics
from fusemine.tasks.text.distinct import distinct_texts

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Result:
    """The tables and the summary of the stage."""

    tables: dict[str, pl.DataFrame]
    summary: dict[str, Any]

    @property
    def rows(self) -> pl.DataFrame:
        return self.tables[MAIN]

    @property
    def topics(self) -> pl.DataFrame:
        return self.tables["topics"]

    @property
    def themes(self) -> pl.DataFrame:
        return self.tables["themes"]


def clean_table(texts: list[str]) -> pl.DataFrame:
    return rows_of("all", texts).clean.with_columns(label=pl.col("text").str.head(1))


def vectors_of(texts: list[str]) -> Floats:
    """A vector per text from its words' hashes: the same words, the same direction."""
    vectors = np.zeros((len(texts), 32), np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().split():
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
            vectors[row] += np.random.default_rng(seed).normal(size=32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=vectors, where=norms > 0)


def theme_texts(each: int) -> list[str]:
    draw = np.random.default_rng(0)
    return [
        f"{theme} {' '.join(draw.choice(words[1:], 2))} {number}"
        for theme, words in SUBJECTS.items()
        for number in range(each)
    ]


def mined(
    clean: pl.DataFrame,
    vectors: Floats,
    chosen: TopicsSettings,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Result:
    """The topics of a table without time, as a run would find them."""
    texts = distinct_texts(clean, vectors)
    state = advance(State(), texts, lambda: texts, "all", chosen)
    return Result(*assign_topics(clean, vectors, state, progress))


def checked(texts: list[str], vectors: Floats | None = None, **chosen: Any) -> Result:
    """Cluster texts and check what must hold of every result."""
    clean = clean_table(texts)
    given_vectors = vectors_of(texts) if vectors is None else vectors
    result = mined(clean, given_vectors, TopicsSettings(**chosen))
    assert result.tables.keys() == STAGE.tables.keys()
    for name, table in result.tables.items():
        STAGE.tables[name].check(table.to_arrow())
    assert result.themes["rows"].sum() == clean["has_text"].sum()
    json.dumps(result.summary, allow_nan=False)
    rows, topics = result.rows, result.topics
    assert rows["row_id"].to_list() == clean["row_id"].to_list()
    without = ~clean["has_text"]
    assert ((rows["topic"] == NO_TEXT) == without).all()
    assert (rows["x"].is_null() == without).all()
    counts = dict(rows["topic"].value_counts().iter_rows())
    assert counts == dict(topics.select("topic", "rows").iter_rows())
    sizes = topics.filter(pl.col("topic") >= 0)["rows"].to_list()
    assert sizes == sorted(sizes, reverse=True)
    assert topics["name"].n_unique() == topics.height
    of_text = rows.with_columns(text=clean["text"]).group_by("text").n_unique()
    assert of_text["topic"].max() in {None, 1}
    return result


@pytest.fixture(scope="module")
def found() -> Result:
    texts = theme_texts(40)
    return checked([*texts, "", *texts[:5], ""], topics=4)


def test_each_theme_is_a_topic_named_after_it(found: Result) -> None:
    names = found.topics.filter(pl.col("topic") >= 0)["name"].to_list()
    assert sorted(name.split(", ")[0] for name in names) == sorted(SUBJECTS)
    topics = found.rows["topic"].to_numpy()[:160].reshape(4, 40)
    assert (topics == topics[:, :1]).all()


def test_rows_without_text_have_their_own_topic_at_the_end(found: Result) -> None:
    last = found.topics.row(-1, named=True)
    assert (last["topic"], last["name"], last["rows"]) == (NO_TEXT, NO_TEXT_NAME, 2)
    assert last["terms"] == last["typical"] == []
    assert found.topics["share"].sum() == pytest.approx(1)


def test_typical_rows_are_different_texts_of_the_topic(found: Result) -> None:
    topic_of = dict(found.rows.select("row_id", "topic").iter_rows())
    for topic, typical in found.topics.select("topic", "typical").iter_rows():
        assert len(set(typical)) == len(typical) <= SHOWN
        assert {topic_of[row_id] for row_id in typical} <= {topic}


def test_the_summary_lists_what_was_done(found: Result) -> None:
    summary = found.summary
    assert summary["skipped"] is None
    assert summary["criterion"] == {"rule": "as set", "asked": 4, "chosen": 4}
    assert (summary["texts"], summary["distinct_texts"], summary["no_text"]) == (165, 160, 2)
    assert 0 < summary["silhouette"] <= 1


def test_every_topic_is_in_a_theme_and_themes_hold_all_rows_with_text(found: Result) -> None:
    topics = found.topics.filter(pl.col("topic") >= 0)
    assert set(topics["theme"]) == set(found.themes["theme"])
    assert found.themes["topics"].sum() == topics.height
    assert found.themes["rows"].sum() == topics["rows"].sum()


def test_every_row_has_a_second_best_topic_that_is_another(found: Result) -> None:
    known = found.rows.filter(pl.col("topic") >= 0)
    assert (known["topic"] != known["second"]).all()
    assert known["strength"].is_between(0, 1).all()


def test_outliers_have_a_topic_and_are_no_more_than_the_stated_share() -> None:
    texts = [*theme_texts(40), "zebra quagga", "xylophone", "quince jelly"]
    result = checked(texts, topics=4, outliers=0.05)
    assert result.rows["outlier"].to_list()[-3:] == [True, True, True]
    assert result.rows["outlier"].mean() <= 0.05
    assert result.summary["outlier_share"] == pytest.approx(result.rows["outlier"].mean(), abs=1e-3)


def test_texts_beyond_the_fitted_sample_join_their_theme() -> None:
    result = checked(theme_texts(50), topics=4, fit_texts=100)
    assert "100 of them taken evenly" in result.tables["events"]["evidence"][0]
    topics = result.rows["topic"].to_numpy().reshape(4, 50)
    assert (topics == topics[:, :1]).all()


def test_the_same_text_has_the_same_topic_even_if_its_vectors_differ() -> None:
    vectors = np.eye(9, dtype=np.float32)
    checked(["a one", "b two", "a one", "c three", "a one", "d", "e", "f", "g"], vectors)


@pytest.mark.parametrize(
    ("texts", "skipped"),
    [
        (["gear broke"], None),
        (["gear broke", "wing broke"], None),
        (["a b", "", "c d"], None),
        (["same text"] * 40, None),
        ([], "there are no rows"),
        ([""], "no row has a text"),
        (["", "", ""], "no row has a text"),
    ],
)
def test_small_tables_get_topics_unless_no_row_has_a_text(
    texts: list[str], skipped: str | None
) -> None:
    result = checked(texts)
    assert result.summary["skipped"] == skipped
    assert result.rows["topic"].to_list() == [0 if text else NO_TEXT for text in texts]


def test_vectors_that_are_all_the_same_give_one_topic() -> None:
    texts = [f"text {number}" for number in range(80)]
    result = checked(texts, np.full((80, 8), 8**-0.5, np.float32))
    assert result.topics.height == 1


def test_texts_without_words_are_called_by_themselves() -> None:
    assert checked(["123", "123"]).topics["name"].to_list() == ["123"]


def test_progress_ends_at_its_total() -> None:
    steps: list[tuple[int, int]] = []
    texts = ["gear broke", "wing broke"]
    mined(clean_table(texts), vectors_of(texts), TopicsSettings(), lambda *done: steps.append(done))
    assert [done for done, _ in steps] == [1, 2, 3, 4]
    assert steps[-1] == (4, 4)


word = st.sampled_from(["bird", "Bird", "engine", "鸟击", "12", "<b>", "no damage.", "é"])
texts_of_rows = st.lists(st.lists(word, max_size=3).map(" ".join), max_size=12)


@settings(max_examples=60, deadline=None)
@given(texts_of_rows, st.sampled_from(["auto", 1, 3]))
def test_every_row_gets_one_topic_for_any_texts(texts: list[str], topics: Any) -> None:
    checked(texts, topics=topics)
