"""Text from users' data where something would read it as more than text: it is shown, not obeyed.

The Prefect UI renders Markdown. A terminal obeys control characters, and lets some reverse what
stands after them; a log takes a line break for the next entry. A spreadsheet takes a cell that
begins with `=`, `+`, `-` or `@` for a formula, and runs it; an id such as 007, 1e5 or 1996-05 it
takes for a number or a date, and saves as another one. An apostrophe in front keeps both from
happening, and stays there when the file is saved. Reading takes it off again.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import polars as pl

# What could be markup anywhere, a link by itself (http:, www., an address), or at a line's start
# a list, a heading or a rule.
_ACTIVE = re.compile(r"[\\`*_{}\[\]<>|&~@$]|:(?=\S)|(?<=[wW]{3})\.|^[-+=#]")
_NUMBERED = re.compile(r"^(\d+)(?=[.)](?:\s|$))")
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")

# Controls but for tabs and line breaks, what reverses text or hides, and halves of characters.
_OBEYED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)

MARK = "'"
"""What stands before a cell that a spreadsheet must leave as it is."""
# With white space before them and in full width they begin a formula in some spreadsheets; a tab
# or a line break in front is dropped by some, with the cell's own apostrophe behind it.
_FORMULA = r"^(\s*[=+\-@＝＋－＠]|[\t\r\n])"
_NEGATIVE = r"^-\d+([.,]\d+)?$"
# Of what begins with a digit only whole numbers of up to 15 digits stay as they are. What begins
# as money, a decimal, a truth or a month is rewritten too. An id that begins with the mark gets
# another one, so that reading gives it back.
_REWRITTEN = (
    r"(?si)^(\s*[=+\-@＝＋－＠']|0.|\d{16}|\d.*\D|[$€£(.,]|\s"
    r"|(true|false)$|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[\s\-/.]*\d)"
)


def escape_markdown(text: object) -> str:
    r"""Text as one line of Markdown that shows it and nothing else.

    By backslashes, because the Prefect UI shows numeric character references as they are.

    >>> print(escape_markdown("# 1 *star*"))
    \# 1 \*star\*
    """
    line = _BLANKS.sub(" ", str(text)).strip()
    return _NUMBERED.sub(r"\1\\", _ACTIVE.sub(r"\\\g<0>", line))


def escape_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table artifact, whose every text the Prefect UI renders as Markdown."""
    return [
        {
            name: escape_markdown(cell) if isinstance(cell, str) else cell
            for name, cell in row.items()
        }
        for row in rows
    ]


def escape_terminal(text: object) -> str:
    r"""Text as a terminal shows it and does not obey it, line breaks as they are.

    >>> escape_terminal("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], str(text))


def escape_line(text: object) -> str:
    r"""The same as one line, as a log or a name needs it.

    >>> escape_line("done\nERROR made up")
    'done\\nERROR made up'
    """
    line = str(text).replace("\n", r"\n").replace("\t", " ")
    return escape_terminal(line)


def escape_json(text: str) -> str:
    r"""JSON that a terminal does not obey either, and that means the same.

    >>> escape_json('["\u202e"]')
    '["\\u202e"]'
    """
    return _OBEYED.sub(lambda found: json.dumps(found[0])[1:-1], text)


def escape_csv(table: pl.LazyFrame) -> pl.LazyFrame:
    """A table whose texts and header no spreadsheet takes for formulas; numbers stay numbers."""
    import polars as pl  # here, because every command escapes what it prints

    schema = table.collect_schema()
    header = pl.Series(schema.names(), dtype=pl.String)
    cells = [_no_formula(name) for name, kind in schema.items() if kind == pl.String]
    return table.with_columns(cells).rename(dict(zip(header, escape_cells(header), strict=True)))


def escape_cells(cells: pl.Series) -> pl.Series:
    """Text that no spreadsheet takes for a formula; a negative number is none, and stays."""
    return cells.to_frame().select(_no_formula(cells.name)).to_series()


def _no_formula(column: str) -> pl.Expr:
    import polars as pl
    from polars.selectors import by_name

    cells = by_name(column).as_expr()  # `pl.col` would read ^a$ as a pattern
    marked = cells.str.contains(_FORMULA) & ~cells.str.contains(_NEGATIVE)
    return pl.when(marked).then(pl.concat_str(pl.lit(MARK), cells)).otherwise(cells).alias(column)


def escape_ids(ids: pl.Series) -> pl.Series:
    """Row ids that a spreadsheet saves as they were; `unescape` gives them back."""
    return _marked(ids, ids.str.contains(_REWRITTEN))


def unescape(cell: str) -> str:
    """A spreadsheet's cell without the apostrophe in front that keeps it as it is."""
    return cell.removeprefix(MARK)


def _marked(cells: pl.Series, mask: pl.Series) -> pl.Series:
    return (MARK + cells).zip_with(mask.fill_null(value=False), cells).alias(cells.name)
