"""Reading CSV and TSV: all cells are text, because a guess at types could not be undone."""

from __future__ import annotations

import csv
import json
import re
from itertools import chain, islice
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.records import Malformed, Records, not_as_named, refuse_twice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_END = "\x02\x03\x02"  # follows the last line, to tell a quote that is still open there
_SURROGATE = re.compile("[\ud800-\udfff]")
_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}

Row = tuple[str | None, ...]


def csv_batches(lines: Iterator[str], path: Path, separator: str, rows: int) -> Iterator[Records]:
    """Batches of at most `rows` records, at least one, each with all columns of the header.

    Args:
        lines: The file's lines, with their ends.
        path: The file, for errors.
        separator: Character between fields.
        rows: Records of a batch, malformed ones included.

    Raises:
        SourceError: The header cannot be used, or a quote is never closed.
    """
    csv.field_size_limit(2**31 - 1)
    read = (r for r in csv.reader(chain(lines, [_END]), delimiter=separator) if r)
    header = _header(next(read), path, separator)
    records = _records(read, header, path, separator)
    yield _batch(list(islice(records, rows)), header)
    while batch := list(islice(records, rows)):
        yield _batch(batch, header)


def _batch(records: list[Row | Malformed], header: list[str]) -> Records:
    rows = [record for record in records if isinstance(record, tuple)]
    malformed = [record for record in records if isinstance(record, Malformed)]
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    series = [pl.Series(n, c, dtype=pl.String) for n, c in zip(header, columns, strict=True)]
    return pl.DataFrame(series), malformed


def _header(names: list[str], path: Path, separator: str) -> list[str]:
    if names[-1].endswith(_END) or _SURROGATE.search("".join(names)):
        raise not_as_named(path, "has no readable header")
    other = _likely_separator(names, separator)
    if other:
        raise SourceError(
            got=f"file {path.name!r}: its header is a single column {names[0][:80]!r}",
            expected=f"fields separated by {_SEPARATORS.get(separator, repr(separator))}",
            fix=f"it looks separated by {_SEPARATORS[other]}: set source.separator to {other!r}",
        )
    # The index of a saved frame has no name.
    header = [name if name.strip() else f"column_{n}" for n, name in enumerate(names, start=1)]
    refuse_twice(header, path)
    return header


def _likely_separator(header: list[str], separator: str) -> str | None:
    if len(header) > 1:
        return None
    return next((c for c in _SEPARATORS if c != separator and c in header[0]), None)


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
            raise not_as_named(path, f"has a quote that is never closed, before {start!r}; it")
        if len(record) != len(header):
            rule = "too_many_fields" if len(record) > len(header) else "too_few_fields"
            reason = f"record {number}: {len(record)} fields, not {len(header)}"
            yield Malformed(rule, reason, _readable(separator.join(record)))
        elif _SURROGATE.search("".join(record)):
            cells = dict(zip(header, map(_readable, record), strict=True))
            reason = f"record {number}: bytes that are not UTF-8"
            yield Malformed("invalid_utf8", reason, json.dumps(cells, ensure_ascii=False))
        else:
            yield tuple([cell or None for cell in record])


def _readable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
