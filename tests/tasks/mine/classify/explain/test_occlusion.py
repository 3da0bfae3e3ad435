"""Words weighed by leaving them out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.explained import BINARY, WORDS, has, made, model, vectors_of

from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.classify.explain.explain import explain_rows
from fusemine.tasks.mine.classify.explain.occlusion import (
    GAP,
    MAX_PIECES,
    PIECE,
    SHOWN,
    Word,
    occlude,
    shorten,
)


@pytest.mark.parametrize("word", ["gull", "engine"])
def test_a_planted_word_gets_the_largest_weight(word: str) -> None:
    rows = made(300)
    label = has(rows, word)
    predict = model(rows, label, "terms")
    some = rows.take(np.flatnonzero(label)[:5])
    for found in explain_rows(predict, some, rows, BINARY, whys=["surest"] * 5):
        assert found.why == "surest"
        assert max(found.words, key=lambda each: abs(each.weight)).text == word
        assert all(each.weight > 0 for each in found.words if each.text == word)


def test_a_repeated_word_is_left_out_everywhere_at_once() -> None:
    rows = made(2, text=["Gull hit wing, gull! GULL", "no birds"])
    predicted: list[str] = []

    def output(altered: Rows, owners: np.ndarray) -> np.ndarray:
        predicted.extend(altered.texts)
        return np.array([text.casefold().count("gull") for text in altered.texts], dtype=float)

    words, others = occlude(output, rows)
    assert predicted[:2] == [rows.texts[0], "hit wing,"]
    assert predicted[2:4] == ["Gull wing, gull! GULL", "Gull hit gull! GULL"]
    assert [word.text for word in words] == rows.texts[0].split()
    assert [word.weight for word in words] == [3, 0, 0, 3, 3]
    assert [word.weight for word in others] == [0, 0]


def test_altered_texts_get_their_own_vectors_if_there_is_an_encoder() -> None:
    rows = made(200)
    label = has(rows, "gull")
    predict = model(rows, label, "text")
    some = rows.take(np.flatnonzero(label)[:2])
    encoded: list[str] = []

    def encode(texts: list[str]) -> np.ndarray:
        encoded.extend(texts)
        return vectors_of(texts)

    for found in explain_rows(predict, some, rows, BINARY, encode):
        assert found.vectors == "recomputed"
        assert max(found.words, key=lambda each: abs(each.weight)).text == "gull"
    assert len(encoded) == len(set(encoded))
    for found in explain_rows(predict, some, rows, BINARY):
        assert found.vectors == "kept"
        assert {word.weight for word in found.words} == {0}


def test_a_text_without_its_only_word_has_the_vector_of_no_text() -> None:
    rows = made(1, text=["gull"])
    seen: list[np.ndarray] = []

    def output(altered: Rows, owners: np.ndarray) -> np.ndarray:
        seen.append(altered.vectors)
        return np.zeros(len(altered))

    occlude(output, rows, encode=lambda texts: np.ones((len(texts), len(WORDS)), np.float32))
    assert seen[0].tolist() == [[1.0] * len(WORDS), [0.0] * len(WORDS)]


@given(st.lists(st.text(st.characters(categories=["L", "P", "Nd"]), min_size=1), max_size=200))
@settings(max_examples=40)
def test_pieces_are_the_text_in_order_however_long_it_is(words: list[str]) -> None:
    text = " ".join(words)
    sizes: list[int] = []

    def output(altered: Rows, owners: np.ndarray) -> np.ndarray:
        sizes.append(len(altered))
        return np.array([len(each) for each in altered.texts], dtype=float)

    (pieces,) = occlude(output, made(1, text=[text]))
    assert " ".join(piece.text for piece in pieces).split() == text.split()
    assert sizes[0] <= MAX_PIECES + 1
    assert all(piece.weight >= len(piece.text) for piece in pieces)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=300), st.floats(-9, 9)), max_size=80))
def test_shown_words_are_few_and_the_weightiest(given_words: list[tuple[str, float]]) -> None:
    words = [Word(text, weight) for text, weight in given_words]
    shown = shorten(words)
    assert len(" ".join(word.text for word in shown)) <= SHOWN
    heaviest = max((abs(word.weight) for word in words), default=0)
    assert max((abs(word.weight) for word in shown), default=0) == heaviest
    if sum(min(len(word.text), PIECE) + 1 for word in words) <= SHOWN:
        assert [word.weight for word in shown] == [word.weight for word in words]


def test_gaps_stand_where_words_of_a_long_text_are_left_out() -> None:
    words = [Word(f"word{i:03}", float(i in (3, 4, 150))) for i in range(200)]
    shown = [word.text for word in shorten(words, 50)]
    assert {"word003", "word004", "word150"} <= set(shown)
    assert shown[-1] == GAP
    assert all(pair != (GAP, GAP) for pair in pairwise(shown))
