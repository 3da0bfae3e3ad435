"""Numbers and texts as a person reads them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.report import words
from fusemine.tasks.report.words import amount, cut, flat, interval, listed, named, percent, signed


@given(st.text(max_size=400), st.integers(1, 80))
def test_a_cut_text_is_one_printable_line_within_its_limit(text: str, limit: int) -> None:
    line = cut(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line)


@given(st.text(alphabet="abc ", max_size=30))
def test_a_short_plain_text_is_not_changed_but_for_blanks(text: str) -> None:
    assert cut(text, 60) == " ".join(text.split())


def test_marks_that_reorder_a_line_are_dropped() -> None:
    assert cut("\u202egnp.exe\u202c \u2066x\u2069\ufeff") == "gnp.exe x"


def test_colours_for_a_terminal_do_not_get_through() -> None:
    assert cut("\x1b[31mred\x07") == "[31mred"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"), (1, "100 %"), (0.1022, "10.2 %"), (0.00001, "< 0.1 %"), (0.99999, "> 99.9 %"),
        (None, "–"), (math.nan, "–"),
    ],
)  # fmt: skip
def test_a_share_is_none_or_all_only_where_it_is_exactly_that(
    share: float | None, text: str
) -> None:
    assert percent(share) == text


def test_a_cell_has_whole_per_cent_and_a_tiny_share_is_not_zero() -> None:
    assert [words.whole(share) for share in (0, 0.009, 0.01, 0.126, 1)] == [
        "0",
        "< 1",
        "1",
        "13",
        "100",
    ]


def test_numbers_are_grouped_and_counted_with_their_noun() -> None:
    assert words.count(19302) == "19,302"
    assert words.plural(1, "row") == "1 row"
    assert words.plural(2000, "row") == "2,000 rows"
    assert words.plural(2, "row was", "rows were") == "2 rows were"


def test_what_is_not_a_finite_number_is_a_dash() -> None:
    assert words.number(None) == words.number(math.inf) == signed(math.nan) == "–"
    assert interval(None, 0.5) == ""
    assert words.finite("0.5") is None


def test_differences_carry_their_sign() -> None:
    assert signed(0.0312) == "+0.031"
    assert signed(-0.0312) == "−0.031"
    assert interval(-0.01, 0.02) == "−0.010 to 0.020"


def test_a_long_list_is_counted_out() -> None:
    assert listed(["a"]) == "a"
    assert listed(list("abcdefg"), limit=2) == "a, b and 5 more"
    assert listed([]) == ""


def test_a_sentence_ends_once() -> None:
    assert words.sentence("It rains") == "It rains."
    assert words.sentence("It rains…") == "It rains…"


def test_nested_settings_become_dotted_paths() -> None:
    settings = {"a": {"b": 1, "c": [1, 2]}, "d": [{"e": None}], "f": {}, "g": []}
    found = {"a.b": "1", "a.c": "1, 2", "d.1.e": "–", "f": "–", "g": "–"}
    assert list(flat(settings)) == list(found.items())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345.678, "12,346"), (-0.00123456, "−0.001235"), (25, "25"), (1.2e-9, "1.2e−09"),
        (0, "0"), (math.inf, "–"), (None, "–"),
    ],
)  # fmt: skip
def test_an_amount_of_any_size_shows_its_leading_digits(value: float | None, text: str) -> None:
    assert amount(value) == text


def test_amounts_that_are_compared_keep_their_zeros_and_differences_their_sign() -> None:
    assert [amount(v, fixed=True) for v in (25.0, 999.999, 0.5)] == ["25.00", "1000", "0.5000"]
    assert [words.signed_amount(v) for v in (1.0, -0.5, None)] == ["+1.00", "−0.500", "–"]


def test_a_label_that_is_a_number_has_no_quotation_marks() -> None:
    assert named("290.0", numbers=True) == "290"
    assert named("290.0", numbers=False) == "“290.0”"
    assert named("none", numbers=True) == "“none”"
