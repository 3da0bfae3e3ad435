"""Repeated texts: copies, templates, bursts."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.odd_rows import Floats, clean_table, cloud, unit

from fusemine.tasks.mine.anomalies.views.repeats import (
    EXAMPLE,
    MAX_GROUPS,
    MIN_ROWS,
    STILL_SIMILAR,
    Repeats,
    find_repeats,
)
from fusemine.tasks.mine.anomalies.views.text_neighbours import neighbours_of
from fusemine.tasks.text.distinct import distinct_texts

WORDS = [a + b + c for a in "bdfgklm" for b in ("ra", "el", "ou", "ist") for c in "nprstx"]
DRAW = np.random.default_rng(0)


def ring(angles: NDArray[np.float64]) -> Floats:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def unrelated(rows: int, size: int = 8) -> list[str]:
    """Texts of random words, of which hardly two have anything in common."""
    return [" ".join(DRAW.choice(WORDS, size)) for _ in range(rows)]


def repeats(
    texts: list[str], vectors: Floats | None = None, partitions: list[str] | None = None
) -> Repeats:
    """Find repeats and check what must hold of every result."""
    rows = len(texts)
    parts = partitions or [f"2020-{1 + i * 12 // rows:02}" for i in range(rows)]
    clean = clean_table(texts).with_columns(partition=pl.Series(parts, dtype=pl.String))
    distinct = distinct_texts(clean, unit(cloud(rows, 16)) if vectors is None else vectors)
    found = find_repeats(clean, distinct, neighbours_of(distinct, np.ones(len(distinct), bool)))
    groups = found.groups
    assert groups["group"].to_list() == list(range(groups.height))
    assert groups["rows"].is_sorted(descending=True)
    assert found.of_row.shape == (rows,)
    counts = np.bincount(found.of_row[found.of_row >= 0], minlength=groups.height)
    assert groups["rows"].to_list() == counts.tolist()
    for group in groups.iter_rows(named=True):
        its = clean.filter(pl.Series(found.of_row == group["group"]))
        assert group["example"] in its["row_id"].to_list()
        assert group["texts"] == its["text"].n_unique()
        assert group["share"] == pytest.approx(its.height / rows)
        assert (group["first"], group["last"]) == (its["partition"].min(), its["partition"].max())
        assert group["peak_rows"] == (its["partition"] == group["peak"]).sum()
        assert group["rows"] >= MIN_ROWS
        assert len(group["text"]) <= EXAMPLE
    return found


def test_texts_that_differ_in_case_digits_and_punctuation_are_one_group() -> None:
    copies = [f"{'FLT' if i % 2 else 'flt'} {i}{'.' * (i % 3)}" for i in range(30)]
    found = repeats(unrelated(70) + copies)
    assert found.groups.select("rows", "texts", "example").rows() == [(30, 30, "r70")]
    assert (found.of_row == np.repeat([-1, 0], [70, 30])).all()


def test_copies_by_their_vectors_are_one_group_and_the_commonest_is_the_example() -> None:
    texts = ["bird hit the nose", *["nose was hit by a bird"] * 9, *["other"] * 5, *unrelated(60)]
    vectors = unit(cloud(len(texts), 16))
    vectors[:10] = vectors[0] + 0.01 * vectors[:10]
    vectors[:10] /= np.linalg.norm(vectors[:10], axis=1, keepdims=True)
    vectors[1:10] = vectors[1]
    found = repeats(texts, vectors)
    assert found.groups.select("rows", "texts", "text").rows() == [(10, 2, texts[1])]
    assert found.groups["example"].to_list() == ["r1"]


def test_a_chain_of_copies_is_cut_where_its_ends_are_unlike() -> None:
    vectors = ring(np.linspace(0, np.pi, 400))
    found = repeats(unrelated(400), vectors)
    assert found.groups.height > 3
    for group in range(found.groups.height):
        its = vectors[found.of_row == group]
        # Their ends are at most twice the angle to the commonest apart.
        assert (its @ its.T).min() >= 2 * STILL_SIMILAR**2 - 1 - 1e-5


def test_a_template_with_other_words_in_its_slots_is_one_group() -> None:
    slots = DRAW.choice(WORDS, (40, 3)).tolist()
    filled = [f"Your order {i} of {a} {b} has shipped to {c}" for i, (a, b, c) in enumerate(slots)]
    found = repeats(unrelated(400) + filled)
    assert found.groups["rows"].to_list() == [40]
    assert (found.of_row[400:] == 0).all()


def test_texts_of_frequent_words_in_another_order_are_no_template() -> None:
    words = np.array(["engine", "bird", "wing", "nose", "door", "gear"])
    texts = sorted({" ".join(DRAW.permutation(words)) for _ in range(300)})
    assert repeats(texts).groups.height == 0


def test_fewer_rows_than_matter_are_no_group() -> None:
    assert repeats(["spam"] * (MIN_ROWS - 1) + unrelated(40)).groups.height == 0
    assert repeats(["spam"] * MIN_ROWS + unrelated(40)).groups.height == 1
    many = ["spam"] * (MIN_ROWS + 9) + [f"t {w}" for w in WORDS] * 120
    assert "spam" not in repeats(many).groups["text"]


def test_rows_that_come_close_together_are_a_burst() -> None:
    months = [f"2020-{1 + i % 12:02}" for i in range(600)]
    spam = ["2020-06"] * 30 + ["2020-07"] * 5 + months[:10]
    found = repeats(["win a prize now"] * 45 + unrelated(600), partitions=spam + months)
    line = found.groups.row(0, named=True)
    assert line["burst"]
    assert (line["peak"], line["peak_rows"]) == ("2020-06", 31)
    assert (line["first"], line["last"]) == ("2020-01", "2020-10")


def test_rows_spread_over_time_and_rows_of_one_partition_alone_are_no_burst() -> None:
    months = [f"2020-{1 + i % 12:02}" for i in range(640)]
    assert not repeats(["no damage"] * 40 + unrelated(600), partitions=months).groups["burst"].any()
    one = ["2020-01"] * 640
    assert not repeats(["no damage"] * 40 + unrelated(600), partitions=one).groups["burst"].any()


@pytest.mark.parametrize(
    ("texts", "groups"),
    [([], 0), ([""] * 30, 0), (["a", "b", "c"], 0), (["same"] * 30, 1), (["12"] * 10, 1)],
    ids=["no rows", "no texts", "three rows", "all equal", "no words"],
)
def test_tables_of_next_to_nothing_do_no_harm(texts: list[str], groups: int) -> None:
    assert repeats(texts).groups.height == groups


def test_many_groups_are_listed_up_to_a_bound_the_largest_first() -> None:
    names = [a + b for a in WORDS for b in "ae"][: MAX_GROUPS + 20]
    found = repeats([name for i, name in enumerate(names) for _ in range(10 + (i == 210))])
    assert found.groups.height == MAX_GROUPS
    assert found.groups["text"][0] == names[210]


def test_a_long_text_is_cut_short_on_one_line() -> None:
    text = repeats(["spam\n\t " * 900] * 12).groups["text"][0]
    assert text.startswith("spam spam")
    assert text.endswith("…")


words = ["no damage", "no damage.", "FLT 12", "flt 9", "", "鸟击", "a b c d e", "<b>"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(words), max_size=60), st.integers(1, 3))
def test_every_row_is_in_one_group_at_most_and_twice_the_same(texts: list[str], width: int) -> None:
    vectors = unit(cloud(len(texts), width))
    first, again = repeats(texts, vectors), repeats(texts, vectors)
    assert first.groups.equals(again.groups)
    assert (first.of_row == again.of_row).all()
    assert (first.of_row[[not text for text in texts]] == -1).all()
