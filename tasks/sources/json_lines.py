"""Reading JSON lines: all values become text, because a guess at types could not be undone."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.sources.records import Malformed, Records, not_as_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = rb"\u"  # half a character comes into JSON in no other way
_to_json = json.JSONEncoder(ensure_ascii=False).encode

Row = dict[str, str | None]


def json_batches(
    lines: Iterator[bytes], path: Path, rows: int, names: Sequence[str] = ()
) -> Iterator[Records]:
    """Batches of at most `rows` records, at least one.

    Args:
        lines: The file's lines, without their ends.
        path: The file, for errors.
        rows: Records of a batch, malformed ones included.
        names: Columns of all batches; a batch has those of its own rows below them.

    Raises:
        SourceError: The file turns out at its end to hold no JSON object.
    """
    records = _records(lines)
    objects = False
    batch = list(islice(records, rows))
    while batch:
        objects = objects or any(_is_object(record) for record in batch)
        yield _batch(batch, names)
        batch = list(islice(records, rows))
    if not objects:
        raise not_as_named(path, "holds no JSON object on a line of its own")


def json_names(lines: Iterator[bytes]) -> list[str]:
    """The columns of a file, in the order in which its rows bring them."""
    names: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            # Its values need not be made, but where they may show that it is no row.
            record = _record(line, number) if _ESCAPE in line else _object(line, number)
            if isinstance(record, dict):
                names |= dict.fromkeys(record)
    return list(names)


def _records(lines: Iterator[bytes]) -> Iterator[Row | Malformed]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _record(line, number)


def _is_object(record: Row | Malformed) -> bool:
    return isinstance(record, dict) or record.rule == "empty_object"


def _batch(records: list[Row | Malformed], names: Sequence[str]) -> Records:
    rows = [record for record in records if isinstance(record, dict)]
    malformed = [record for record in records if isinstance(record, Malformed)]
    columns = list(dict.fromkeys([*names, *(name for row in rows for name in row)]))
    frame = pl.DataFrame(
        {name: [row.get(name) for row in rows] for name in columns},
        schema=dict.fromkeys(columns, pl.String),
    )
    return frame, malformed


def _record(line: bytes, number: int) -> Row | Malformed:
    value = _object(line, number)
    if isinstance(value, Malformed):
        return value
    row = {name: _cell(cell) for name, cell in value.items()}
    if _ESCAPE in line and _SURROGATE.search("".join([*row, *filter(None, row.values())])):
        return Malformed("invalid_utf8", f"line {number}: half a character", _shown(line))
    return row


def _object(line: bytes, number: int) -> dict[str, Any] | Malformed:
    try:
        value: Any = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Malformed("invalid_utf8", f"line {number}: {error.reason}", _shown(line))
    except (ValueError, RecursionError) as error:
        return Malformed("invalid_json", f"line {number}: {error}", _shown(line))
    if not isinstance(value, dict):
        return Malformed("not_an_object", f"line {number} is not a JSON object", _shown(line))
    if not value:
        return Malformed("empty_object", f"line {number} is an empty JSON object", _shown(line))
    return value


def _shown(line: bytes) -> str:
    return line.decode("utf-8", errors="backslashreplace")


def _cell(cell: object) -> str | None:
    if cell is None or cell == "":
        return None
    return cell if isinstance(cell, str) else _to_json(cell)
