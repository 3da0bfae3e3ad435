"""Reading a source's files: every record becomes a row or a malformed record with its reason.

CSV, TSV and JSON lines are read as text, because a guess at types made here could not be undone;
cleaning types them. Parquet keeps its types.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.cells import as_text
from tasks.collect.settings import Format
from tasks.errors import SourceError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.collect.settings import SourceSettings

COMPRESSIONS = (".gz", ".bz2", ".zst", ".lz4")
_SUFFIXES = {
    ".csv": Format.CSV,
    ".txt": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
}
# The first bytes of files that are not text, whatever their name says.
_MAGIC = {
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "gzip-compressed data",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x28\xb5\x2f\xfd": "zstd-compressed data",
    b"BZh": "bzip2-compressed data",
    b"SQLite format 3": "a SQLite database",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
}
_END = "\x02\x03\x02"  # follows the last line, to tell a quote that is still open there
_SURROGATE = re.compile("[\ud800-\udfff]")
CHUNK = 50_000
_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


@dataclass(frozen=True)
class Malformed:
    """A record that is not a row: what it was, which rule it broke and how."""

    rule: str
    reason: str
    record: str


@dataclass(frozen=True)
class FileRows:
    """What one file held."""

    source: str
    frame: pl.DataFrame
    malformed: list[Malformed]


def find_files(settings: SourceSettings, base: Path) -> list[Path]:
    """The source's files, sorted by path.

    Raises:
        SourceError: There is none.
    """
    path = Path(settings.path)
    anchor, pattern = (
        (Path(path.anchor), str(path.relative_to(path.anchor)))
        if (path.is_absolute())
        else (base, settings.path)
    )
    try:
        files = sorted(file for file in anchor.glob(pattern) if file.is_file())
    except (ValueError, IndexError):  # what pathlib says of a pattern that can be none
        files = []
    if not files:
        raise _no_file(settings.path, base)
    return files


def read_file(path: Path, settings: SourceSettings, base: Path) -> FileRows:
    """All records of one file.

    Raises:
        SourceError: The file is not what its name or the settings say.
    """
    name = source_name(path, base)
    kind = settings.format or format_of(path)
    if kind is Format.PARQUET:
        return FileRows(name, _read_parquet(path), [])
    data = _text_bytes(path)
    if kind is Format.JSONL:
        return FileRows(name, *_read_jsonl(data, path))
    return FileRows(name, *_read_csv(data, path, settings, kind))


def source_name(path: Path, base: Path) -> str:
    """What a file is called in tables and manifests: its path from `base`, where it is below."""
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def format_of(path: Path) -> Format:
    """The form that a file's name tells.

    Raises:
        SourceError: The name tells none.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    if suffixes and suffixes[-1] in _SUFFIXES:
        return _SUFFIXES[suffixes[-1]]
    raise SourceError(
        got=f"file {path.name!r}, whose name tells no form",
        expected=f"a name that ends in {', '.join(_SUFFIXES)}, plain or with "
        f"{', '.join(COMPRESSIONS)}",
        fix="rename the file, or set source.format in the pipeline.yaml",
    )


def _no_file(pattern: str, base: Path) -> SourceError:
    folder = (base / pattern).parent
    names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
    return SourceError(
        got=f"no file at {base / pattern}",
        expected="source.path to name at least one file, relative to the pipeline.yaml",
        fix=f"{nearest(Path(pattern).name, names)}put the data there or correct source.path",
    )


def _text_bytes(path: Path) -> bytes:
    """A text file's bytes, uncompressed."""
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            data: bytes = stream.read()
    except (OSError, pa.ArrowException) as error:
        raise _not_as_named(path, f"cannot be decompressed ({error})") from error
    for magic, what in _MAGIC.items():
        if data.startswith(magic):
            raise _not_as_named(path, f"holds {what}")
    if not data.strip():
        raise SourceError(
            got=f"file {path.name!r} is empty",
            expected="a header and rows",
            fix="remove the file or deliver it again",
        )
    return data


def _not_as_named(path: Path, what: str) -> SourceError:
    return SourceError(
        got=f"file {path.name!r} {what}",
        expected="the form that its name tells",
        fix="rename the file, convert it, or set source.format in the pipeline.yaml",
    )


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise _not_as_named(path, f"is not a Parquet file ({error})") from error
    _refuse_twice(table.column_names, path)
    for place, field in enumerate(table.schema):
        if pa.types.is_decimal256(field.type):  # wider than polars' numbers
            table = table.set_column(place, field.name, table.column(place).cast(pa.string()))
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  (a Table never makes a Series)
    return frame.with_columns(_flat(column) for column in frame.iter_columns())


def _flat(column: pl.Series) -> pl.Series:
    """Nested, binary and other special values as text, which can be shown and hashed."""
    special = (pl.Binary, pl.Duration, pl.Categorical, pl.Enum)
    return as_text(column) if column.dtype.is_nested() or column.dtype in special else column


def _read_jsonl(data: bytes, path: Path) -> tuple[pl.DataFrame, list[Malformed]]:
    rows: list[dict[str, str | None]] = []
    malformed: list[Malformed] = []
    for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).splitlines(), start=1):
        if line.strip():
            record = _json_record(line, number)
            (rows if isinstance(record, dict) else malformed).append(record)  # type: ignore[arg-type]
    if not rows and all(record.rule != "empty_object" for record in malformed):
        raise _not_as_named(path, "holds no JSON object on a line of its own")
    names = list(dict.fromkeys(name for row in rows for name in row))
    frame = pl.DataFrame(
        {name: [row.get(name) for row in rows] for name in names},
        schema=dict.fromkeys(names, pl.String),
    )
    return frame, malformed


def _json_record(line: bytes, number: int) -> dict[str, str | None] | Malformed:
    shown = line.decode("utf-8", errors="backslashreplace")
    try:
        value: Any = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Malformed("invalid_utf8", f"line {number}: {error.reason}", shown)
    except (ValueError, RecursionError) as error:
        return Malformed("invalid_json", f"line {number}: {error}", shown)
    if not isinstance(value, dict):
        return Malformed("not_an_object", f"line {number} is not a JSON object", shown)
    if not value:
        return Malformed("empty_object", f"line {number} is an empty JSON object", shown)
    row = {str(name): _json_cell(cell) for name, cell in value.items()}
    if _SURROGATE.search("".join([*row, *filter(None, row.values())])):
        return Malformed("invalid_utf8", f"line {number}: half a character", shown)
    return row


def _json_cell(cell: object) -> str | None:
    if cell is None or cell == "":
        return None
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def _read_csv(
    data: bytes, path: Path, settings: SourceSettings, kind: Format
) -> tuple[pl.DataFrame, list[Malformed]]:
    separator = settings.separator or ("\t" if kind is Format.TSV else ",")
    lines = io.StringIO(_decode(data, path, settings.encoding), newline="")
    csv.field_size_limit(2**31 - 1)
    records = (r for r in csv.reader(chain(lines, [_END]), delimiter=separator) if r)
    header = _header(next(records), path, separator)
    malformed: list[Malformed] = []
    pieces = [pl.DataFrame(schema=dict.fromkeys(header, pl.String))]
    for chunk in _chunks(_rows(records, header, path, separator, malformed)):
        columns = zip(header, zip(*chunk, strict=True), strict=True)
        pieces.append(pl.DataFrame({name: pl.Series(c, dtype=pl.String) for name, c in columns}))
    return pl.concat(pieces), malformed


def _decode(data: bytes, path: Path, encoding: str) -> str:
    """Text; in UTF-8 a byte that is none stays as half a surrogate pair, and is found later."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and encoding == "utf-8":
        raise _not_as_named(path, "is encoded in UTF-16: set source.encoding to utf-16; it")
    if codecs.lookup(encoding).name == "utf-8":
        return data.decode("utf-8-sig", errors="surrogateescape")
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeError as error:
        raise _not_as_named(path, f"is not encoded in {encoding} ({error})") from error


def _header(names: list[str], path: Path, separator: str) -> list[str]:
    if names[-1].endswith(_END) or _SURROGATE.search("".join(names)):
        raise _not_as_named(path, "has no readable header")
    other = _likely_separator(names, separator)
    if other:
        raise SourceError(
            got=f"file {path.name!r}: its header is a single column {names[0][:80]!r}",
            expected=f"fields separated by {_SEPARATORS.get(separator, repr(separator))}",
            fix=f"it looks separated by {_SEPARATORS[other]}: set source.separator to {other!r}",
        )
    # The index of a saved frame has no name.
    header = [name if name.strip() else f"column_{n}" for n, name in enumerate(names, start=1)]
    _refuse_twice(header, path)
    return header


def _refuse_twice(header: list[str], path: Path) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise SourceError(
            got=f"file {path.name!r}: its header has {twice[0]!r} twice",
            expected="each column to have a name of its own",
            fix="rename the column in the file",
        )


def _likely_separator(header: list[str], separator: str) -> str | None:
    if len(header) > 1:
        return None
    return next((c for c in _SEPARATORS if c != separator and c in header[0]), None)


def _rows(
    records: Iterator[list[str]],
    header: list[str],
    path: Path,
    separator: str,
    malformed: list[Malformed],
) -> Iterator[list[str | None]]:
    """The records that are rows, with None for empty cells; the others go to `malformed`."""
    for number, record in enumerate(records, start=2):
        if record == [_END]:
            return
        if record[-1].endswith(_END):
            # The end of the file was read as part of a cell: a quote is open, and rows are in it.
            start = record[-1][:60].removesuffix(_END)
            raise _not_as_named(path, f"has a quote that is never closed, before {start!r}; it")
        if len(record) != len(header):
            rule = "too_many_fields" if len(record) > len(header) else "too_few_fields"
            reason = f"record {number}: {len(record)} fields, not {len(header)}"
            malformed.append(Malformed(rule, reason, _readable(separator.join(record))))
        elif _SURROGATE.search("".join(record)):
            cells = dict(zip(header, map(_readable, record), strict=True))
            reason = f"record {number}: bytes that are not UTF-8"
            malformed.append(
                Malformed("invalid_utf8", reason, json.dumps(cells, ensure_ascii=False))
            )
        else:
            yield [cell or None for cell in record]


def _chunks(rows: Iterator[list[str | None]]) -> Iterator[list[list[str | None]]]:
    """Rows in lists of bounded length, because Python's strings take much more room."""
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _readable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
