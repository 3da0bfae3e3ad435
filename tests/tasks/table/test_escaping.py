"""Cells that a spreadsheet opens are no formulas, and ids come back from it as they were."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.table.escaping import escape_cells, escape_ids, unescape

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
