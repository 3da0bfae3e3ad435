"""Reading JSON lines: all values become text, because a guess at types could not be undone."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.sources.formats.records import SURROGATE, Records, in_batches, unreadable
from fusemine.tasks.sources.formats.text import byte_lines, text_blocks
from fusemine.tasks.sources.source import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ESCAPE = rb"\u"  # half a character comes into JSON in no other way
_to_json = json.JSONEncoder(ensure_ascii=False).encode

Row = dict[str, str | None]


def json_batches(path: Path, rows: int, size: int | None = None) -> Iterator[Records]:
    """Batches of at most `rows` records, at least one, each with all columns of the file.

    The file is read twice: any line may bring a column that those before it lack.

    Args:
        path: The file.
        rows: Records of a batch, malformed ones included.
        size: How many of its bytes are read; all by default.

    Raises:
        SourceError: The file is not text, or holds no JSON object.
    """
    table = partial(_table, _column_names(path, size))
    return in_batches((_record(line, number) for number, line in _lines(path, size)), rows, table)


def _column_names(path: Path, size: int | None) -> list[str]:
    """The columns of a file, in the order in which its rows bring them."""
    names: dict[str, None] = {}
    objects = False
    for number, line in _lines(path, size):
        # Its values need not be made, but where they may show that it is no row.
        record = _record(line, number) if _ESCAPE in line else _object(line, number)
        if isinstance(record, dict):
            names |= dict.fromkeys(record)
        objects = objects or isinstance(record, dict) or record.rule == "empty_object"
    if not objects:
        raise unreadable(path, "holds no JSON object on a line of its own")
    return list(names)


def _lines(path: Path, size: int | None) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    lines = enumerate(byte_lines(text_blocks(path, size)), start=1)
    return ((number, line) for number, line in lines if line.strip())


def _table(names: list[str], rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))


def _record(line: bytes, number: int) -> Row | Malformed:
    value = _object(line, number)
    if isinstance(value, Malformed):
        return value
    row = {name: _cell(cell) for name, cell in value.items()}
    if _ESCAPE in line and SURROGATE.search("".join([*row, *filter(None, row.values())])):
        return Malformed("invalid_utf8", f"line {number}: half a character", _readable(line))
    return row


def _object(line: bytes, number: int) -> dict[str, Any] | Malformed:
    try:
        value: Any = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Malformed("invalid_utf8", f"line {number}: {error.reason}", _readable(line))
    except (ValueError, RecursionError) as error:
        return Malformed("invalid_json", f"line {number}: {error}", _readable(line))
    if not isinstance(value, dict):
        return Malformed("not_an_object", f"line {number} is not a JSON object", _readable(line))
    if not value:
        return Malformed("empty_object", f"line {number} is an empty JSON object", _readable(line))
    return value


def _readable(line: bytes) -> str:
    return line.decode("utf-8", errors="backslashreplace")


def _cell(cell: object) -> str | None:
    return cell or None if isinstance(cell, str | None) else _to_json(cell)
