"""Text is brought into one form, and doing it again changes nothing."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.clean.cells import clean_text

PIECES = st.sampled_from(
    ["&", "amp;", "&lt;", "&#0;", "&nbsp;", "e", "\u0301", "\u200b", " ", "\n"]
)
TEXTS = st.text(max_size=20) | st.lists(PIECES, max_size=12).map("".join)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("", ""),
        ("plain text", "plain text"),
        ("  a \t\r\n b  ", "a b"),
        ("a\u00a0b\u2003c\u2028d\x85e\x1cf", "a b c d e f"),
        ("birds &amp; bats", "birds & bats"),
        ("&lt;b&gt;&quot;x&#39;&#x27;", "<b>\"x''"),
        ("&amp;amp;lt;", "<"),
        ("5 &nbsp; 6", "5 6"),
        ("AT&T &unknown; &", "AT&T &unknown; &"),
        ("e\u0301", "é"),
        ("\ufb01ne \u2460", "\ufb01ne \u2460"),
        ("a\x00b\x07c\x1bd\x7fe", "abcde"),
        ("\ufeffso\u00adft\u200b\u200e", "soft"),
        ("e\u200b\u0301", "é"),
        ("\u202eabc\u202c", "abc"),
        ("\x00 \u200b ", ""),
        ("&#0; &#xD800;", "\ufffd \ufffd"),
        ("<script>alert(1)</script> {{7*7}}", "<script>alert(1)</script> {{7*7}}"),
    ],
)
def test_text_is_brought_into_one_form(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


def test_joiners_that_scripts_and_emojis_need_stay() -> None:
    family, persian = "\U0001f468\u200d\U0001f469", "می\u200cخواهم"
    assert clean_text(family) == family
    assert clean_text(persian) == persian


def test_letters_of_every_script_stay() -> None:
    text = "Größe 鳥 птица पक्षी ปีก 🐦"
    assert clean_text(text) == unicodedata.normalize("NFC", text)


@given(TEXTS)
def test_cleaning_again_changes_nothing(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(TEXTS)
def test_a_clean_text_is_trimmed_composed_and_singly_spaced(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned == cleaned.strip()
    assert "  " not in cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not any(char in cleaned for char in "\t\r\n\x00\u00a0\u200b\ufeff")


@given(st.text("abc &é", max_size=20))
def test_words_are_never_lost(text: str) -> None:
    assert clean_text(text).split() == text.split()


def test_an_entity_escaped_very_often_does_not_stop_a_run() -> None:
    started = time.thread_time()  # which does not count what else the machine does
    clean_text("&" + "amp;" * 5_000 + "lt;" + "x" * 20_000)
    assert time.thread_time() - started < 0.3
