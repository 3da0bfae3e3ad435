"""Cells of a CSV file that people open in a spreadsheet and save again.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and runs it; an id
such as 007, 1e5 or 1996-05 it takes for a number or a date, and saves as another one. An
apostrophe in front keeps both from happening, and stays there when the file is saved. Reading
takes it off again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

MARK = "'"
# With white space before them and in full width they begin a formula in some spreadsheets.
_FORMULA = r"^\s*[=+\-@＝＋－＠]"
_NEGATIVE = r"^-\d+([.,]\d+)?$"
# Of what begins with a digit only whole numbers of up to 15 digits stay as they are. What begins
# as money, a decimal, a truth or a month is rewritten too. An id that begins with the mark gets
# another one, so that reading gives it back.
_REWRITTEN = (
    r"(?si)^(\s*[=+\-@＝＋－＠']|0.|\d{16}|\d.*\D|[$€£(.,]|\s"
    r"|(true|false)$|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[\s\-/.]*\d)"
)


def escape_cells(cells: pl.Series) -> pl.Series:
    """Text that no spreadsheet takes for a formula; a negative number is none, and stays."""
    formula = cells.str.contains(_FORMULA) & ~cells.str.contains(_NEGATIVE)
    return _marked(cells, formula)


def escape_ids(ids: pl.Series) -> pl.Series:
    """Row ids that a spreadsheet saves as they were; `unescape` gives them back."""
    return _marked(ids, ids.str.contains(_REWRITTEN))


def unescape(cell: str) -> str:
    """A cell without the apostrophe in front that keeps it as it is, where it has one."""
    return cell.removeprefix(MARK)


def _marked(cells: pl.Series, mask: pl.Series) -> pl.Series:
    return (MARK + cells).zip_with(mask.fill_null(value=False), cells).alias(cells.name)
