"""Reading CSV and TSV: all cells are text, because a guess at types could not be undone."""

from __future__ import annotations

import csv
import json
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.formats.records import (
    SURROGATE,
    Records,
    in_batches,
    refuse_repeated,
    unreadable,
)
from fusemine.tasks.sources.formats.text import read_to_end, text_blocks, text_lines
from fusemine.tasks.sources.source import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_END = "\x02\x03\x02"  # follows the last line, and shows a quote that is still open there
_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}

Row = tuple[str | None, ...]


def csv_batches(
    path: Path, rows: int, separator: str, encoding: str, size: int | None = None
) -> Iterator[Records]:
    """Batches of at most `rows` records, at least one, each with all columns of the header.

    Args:
        path: The file.
        rows: Records of a batch, malformed ones included.
        separator: Character between fields.
        encoding: Character encoding of the file.
        size: How many of its bytes are read; all by default.

    Raises:
        SourceError: The file is not such text, its header cannot be used, or a quote is never
            closed.
    """
    csv.field_size_limit(2**31 - 1)
    lines = text_lines(text_blocks(path, size), path, encoding)
    read = (r for r in csv.reader(chain(lines, [_END]), delimiter=separator) if r)
    try:
        header = _header(next(read), path, separator)
        yield from in_batches(
            _records(read, header, path, separator), rows, partial(_table, header)
        )
    except SourceError:
        # A fault of the text itself, wherever it lies, is reported before one of a record.
        read_to_end(lines)
        raise
    read_to_end(lines)


def _table(header: list[str], rows: list[Row]) -> pl.DataFrame:
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    schema = dict.fromkeys(header, pl.String)
    return pl.DataFrame(dict(zip(header, columns, strict=True)), schema=schema)


def _header(names: list[str], path: Path, separator: str) -> list[str]:
    if names[-1].endswith(_END) or SURROGATE.search("".join(names)):
        raise unreadable(path, "has no readable header")
    other = next((mark for mark in _SEPARATORS if mark != separator and mark in names[0]), None)
    if len(names) == 1 and other:
        raise SourceError(
            got=f"file {path.name!r}: its header is a single column {names[0][:80]!r}",
            expected=f"fields separated by {_SEPARATORS.get(separator, repr(separator))}",
            fix=f"it looks separated by {_SEPARATORS[other]}: set source.separator to {other!r}",
        )
    # The index of a saved frame has no name.
    header = [name if name.strip() else f"column_{n}" for n, name in enumerate(names, start=1)]
    refuse_repeated(header, path)
    return header


def _records(
    records: Iterator[list[str]], header: list[str], path: Path, separator: str
) -> Iterator[Row | Malformed]:
    """The records after the header; the empty cells of a row are None."""
    for number, record in enumerate(records, start=2):
        if record == [_END]:
            return
        if record[-1].endswith(_END):
            # The end of the file was read as part of a cell: a quote is open, and rows are in it.
            start = record[-1][:60].removesuffix(_END)
            raise unreadable(path, f"has a quote that is never closed, before {start!r}; it")
        if len(record) != len(header):
            rule = "too_many_fields" if len(record) > len(header) else "too_few_fields"
            reason = f"record {number}: {len(record)} fields, not {len(header)}"
            yield Malformed(rule, reason, _readable(separator.join(record)))
        elif SURROGATE.search("".join(record)):
            cells = dict(zip(header, map(_readable, record), strict=True))
            reason = f"record {number}: bytes that are not UTF-8"
            yield Malformed("invalid_utf8", reason, json.dumps(cells, ensure_ascii=False))
        else:
            yield tuple([cell or None for cell in record])


def _readable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
