"""The words and terms of a text."""

from __future__ import annotations

import pytest

from fusemine.tasks.text.words import (
    LONGEST_TEXT,
    LONGEST_WORD,
    same_stem,
    terms,
    without_noise,
    words,
)


def test_negations_are_kept_with_their_word() -> None:
    assert "no damage" in terms("NO DAMAGE.")
    assert "no" not in terms("NO DAMAGE.")
    assert "no known damage" in terms("No known damage")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("DAMAGE/INJURY", ["damage", "injury"]),
        ("A/C on T/O, F/O", ["a/c", "t/o", "f/o"]),
        ("The pilot's B-737, 12 of 34; 1347Z", ["pilot", "b-737"]),
        ("didn’t don't", []),
        ("Türen öffnen nicht", ["türen", "öffnen", "nicht"]),
        ("पायलट ने देखा", ["पायलट", "ने", "देखा"]),
        ("птица ударила", ["птица", "ударила"]),
    ],
)
def test_words_of_any_language_are_found(text: str, kept: list[str]) -> None:
    assert words(text) == kept


def test_pairs_do_not_reach_over_punctuation() -> None:
    assert "damage flight" not in terms("no damage. flight went on")
    assert "flight went" in terms("no damage. flight went on")


def test_huge_texts_and_words_are_cut() -> None:
    assert words("x" * (LONGEST_WORD + 1)) == []
    assert len(words("ab " * LONGEST_TEXT)) <= LONGEST_TEXT // 3 + 1


@pytest.mark.parametrize(("word", "other"), [("gull", "gulls"), ("landing", "landed")])
def test_forms_of_a_word_have_the_same_stem(word: str, other: str) -> None:
    assert same_stem(word, other)
    assert same_stem(other, word)


@pytest.mark.parametrize(("word", "other"), [("gull", "gear"), ("struck", "street"), ("a", "b")])
def test_different_words_have_different_stems(word: str, other: str) -> None:
    assert not same_stem(word, other)


def test_near_copies_are_the_same_without_noise() -> None:
    assert without_noise("FLT 601. No damage!") == without_noise("Flt 7 - NO DAMAGE")
    assert without_noise("123") != without_noise("456")
