"""A spreadsheet, a terminal and a log take nothing in a text for more than text."""

from __future__ import annotations

import json
import re
import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.table.escaping import (
    escape_cells,
    escape_csv,
    escape_ids,
    escape_json,
    escape_line,
    escape_terminal,
    unescape,
)

WORDS = st.text("=+-@'01e.\t\r\n \"a,;é", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"), ("+49", "'+49"), ("-1+1", "'-1+1"), ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"), ("\r=1", "'\r=1"), ("- a point", "'- a point"), ("＝1", "'＝1"),
        ("-1", "-1"), ("-1.5", "-1.5"), ("-1,5", "-1,5"), ("a=1", "a=1"), ("'tis", "'tis"),
        ("", ""), (None, None),
    ],
)  # fmt: skip
def test_a_cell_cannot_be_a_formula(cell: str | None, safe: str | None) -> None:
    assert escape_cells(pl.Series([cell], dtype=pl.String)).to_list() == [safe]


@pytest.mark.parametrize(
    "row_id",
    ["=1", "-5", "+5", "@a", "'a", "007", "1e5", "1996-05", "3/4", "1.50", "1" * 16, "12ab", "0.5"],
)
def test_an_id_that_a_spreadsheet_would_change_is_marked(row_id: str) -> None:
    assert escape_ids(pl.Series([row_id])).to_list() == ["'" + row_id]


def test_other_ids_stay_as_they_are() -> None:
    ids = pl.Series(["0", "7", "1" * 15, "T001", "ab-1", "a=1", None])
    assert escape_ids(ids).equals(ids)


@given(WORDS)
def test_no_marked_cell_begins_as_a_formula_does(word: str) -> None:
    [cell], [row_id] = escape_cells(pl.Series([word])), escape_ids(pl.Series([word]))
    for marked in (cell, row_id):
        number = re.fullmatch(r"-\d+([.,]\d+)?", marked)
        assert number or not marked.lstrip().startswith(tuple("=+-@"))
    assert unescape(row_id) == word
    assert cell in {word, "'" + word}


ORDERS = [
    "\x1b[2J\x1b]0;title\x07", "a\x9b31mb", "\u202egnp.exe", "\u2066x\u2069", "a\ud800b", "\u200bx",
    "back\x08\x08", "line\u2028break", "\x7f", "\ufeffx", "\U000e0041", "\x00", "a\rb",
]  # fmt: skip


def obeyed(text: str) -> list[str]:
    """What of a text is an order to a terminal, and no tab or line break."""
    hidden = (char for char in text if not char.isprintable() and char not in "\n\t")
    return [char for char in hidden if unicodedata.category(char) != "Zs"]


@pytest.mark.parametrize("text", ORDERS)
def test_a_terminal_is_given_no_orders(text: str) -> None:
    for shown in (escape_terminal(text), escape_line(text)):
        assert obeyed(shown) == []
        assert shown.encode()


@pytest.mark.parametrize("text", ["a b", "é 鳥 \U0001f426", "two\nlines\tand a tab", "[bold]", ""])
def test_what_is_no_order_stays(text: str) -> None:
    assert escape_terminal(text) == text


def test_what_is_logged_is_one_entry() -> None:
    assert escape_line("done\r\nERROR | made up") == r"done\r\nERROR | made up"


@pytest.mark.parametrize("text", ORDERS)
def test_json_that_is_printed_means_the_same_and_orders_nothing(text: str) -> None:
    written = escape_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(written) == {text: [text]}
    assert obeyed(written) == []


def test_a_csv_has_no_formula_in_cells_or_header_and_its_numbers_stay() -> None:
    frame = pl.DataFrame(
        {"=cmd": ["=1", "\tx", "-1", None], "^a$": ["@a", "b", "\rc", "d"], "a": [-1, 2, 3, 4]}
    )
    safe = escape_csv(frame.lazy()).collect()
    assert safe.columns == ["'=cmd", "^a$", "a"]
    assert safe["'=cmd"].to_list() == ["'=1", "'\tx", "-1", None]
    assert safe["^a$"].to_list() == ["'@a", "b", "'\rc", "d"]
    assert safe["a"].equals(frame["a"])
