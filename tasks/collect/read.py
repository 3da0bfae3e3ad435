"""Reading a source's files: every record becomes a row or a malformed record with its reason.

CSV, TSV and JSON lines are read as text, because a guess at types made here could not be undone;
cleaning types them. Parquet keeps its types.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

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
    files = sorted(file for file in anchor.glob(pattern) if file.is_file())
    if not files:
        raise _no_file(settings.path, base)
    return files


def read_file(path: Path, settings: SourceSettings, base: Path) -> FileRows:
    """All records of one file.

    Raises:
        SourceError: The file is not what its name or the settings say.
    """
    name = path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()
    kind = settings.format or format_of(path)
    if kind is Format.PARQUET:
        return FileRows(name, _read_parquet(path), [])
    data = _text_bytes(path)
    if kind is Format.JSONL:
        return FileRows(name, *_read_jsonl(data, path))
    return FileRows(name, *_read_csv(data, path, settings, kind))


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
        frame = pl.from_arrow(pq.ParquetFile(path).read())
    except (OSError, pa.ArrowException) as error:
        raise _not_as_named(path, f"is not a Parquet file ({error})") from error
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  (a Table never makes a Series)
    return frame.with_columns(_flat(column) for column in frame.iter_columns())


def _flat(column: pl.Series) -> pl.Series:
    """Nested and binary values as text, so that every cell can be shown and hashed."""
    if column.dtype.is_nested():
        texts = [None if v is None else json.dumps(_plain(v), default=str) for v in column]
        return pl.Series(column.name, texts, dtype=pl.String)
    if column.dtype == pl.Binary:
        return column.bin.encode("hex")
    if column.dtype in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    return column


def _plain(value: object) -> object:
    return value.to_list() if isinstance(value, pl.Series) else value


def _read_jsonl(data: bytes, path: Path) -> tuple[pl.DataFrame, list[Malformed]]:
    rows: list[dict[str, str | None]] = []
    malformed: list[Malformed] = []
    for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).splitlines(), start=1):
        if line.strip():
            record = _json_record(line, number)
            (rows if isinstance(record, dict) else malformed).append(record)  # type: ignore[arg-type]
    if not rows:
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
    return {str(name): _json_cell(cell) for name, cell in value.items()}


def _json_cell(cell: object) -> str | None:
    if cell is None or cell == "":
        return None
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def _read_csv(
    data: bytes, path: Path, settings: SourceSettings, kind: Format
) -> tuple[pl.DataFrame, list[Malformed]]:
    separator = settings.separator or ("\t" if kind is Format.TSV else ",")
    data = _as_utf8(data, path, settings.encoding)
    header = _header(data, path, separator)
    malformed: list[Malformed] = []
    table = _parse_csv(data, path, separator, header, malformed)
    return _decode(table.rename_columns(_named(header)), malformed), malformed


def _as_utf8(data: bytes, path: Path, encoding: str) -> bytes:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and encoding == "utf-8":
        raise _not_as_named(path, "is encoded in UTF-16: set source.encoding to utf-16; it")
    if codecs.lookup(encoding).name == "utf-8":
        return data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode(encoding).encode()
    except UnicodeError as error:
        raise _not_as_named(path, f"is not encoded in {encoding} ({error})") from error


def _header(data: bytes, path: Path, separator: str) -> list[str]:
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace", newline="")
    try:
        header = next(csv.reader(text, delimiter=separator))
    except (csv.Error, StopIteration) as error:
        raise _not_as_named(path, f"has no readable header ({error})") from error
    other = _likely_separator(header, separator)
    if other:
        raise SourceError(
            got=f"file {path.name!r}: its header is a single column {header[0][:80]!r}",
            expected=f"fields separated by {_SEPARATORS.get(separator, repr(separator))}",
            fix=f"it looks separated by {_SEPARATORS[other]}: set source.separator to {other!r}",
        )
    names = _named(header)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(
            got=f"file {path.name!r}: its header has {twice[0]!r} twice",
            expected="each column to have a name of its own",
            fix="rename the column in the file",
        )
    return header


def _named(header: list[str]) -> list[str]:
    """The header with a name for columns that have none, as the index of a saved frame."""
    return [name if name.strip() else f"column_{n}" for n, name in enumerate(header, start=1)]


def _likely_separator(header: list[str], separator: str) -> str | None:
    if len(header) > 1:
        return None
    return next((c for c in _SEPARATORS if c != separator and c in header[0]), None)


def _parse_csv(
    data: bytes, path: Path, separator: str, header: list[str], malformed: list[Malformed]
) -> pa.Table:
    def skip(row: pc.InvalidRow) -> str:
        rule = "too_many_fields" if row.actual_columns > len(header) else "too_few_fields"
        reason = f"record {row.number}: {row.actual_columns} fields, not {len(header)}"
        malformed.append(Malformed(rule, reason, row.text))
        return "skip"

    parse = pc.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=skip)
    # Bytes, because Arrow refuses a whole file for one cell that is not UTF-8.
    convert = pc.ConvertOptions(
        column_types=dict.fromkeys(header, pa.binary()), strings_can_be_null=True, null_values=[""]
    )
    # One block: a record that spans two blocks would be an error. One thread: row numbers.
    read = pc.ReadOptions(use_threads=False, block_size=min(len(data) + 1, 2**31 - 1))
    try:
        table = pc.read_csv(pa.BufferReader(data), read, parse, convert)
    except pa.ArrowException as error:
        raise _not_as_named(path, f"cannot be read as CSV ({str(error)[:200]})") from error
    _check_quotes(data, table, path)
    return table


def _check_quotes(data: bytes, table: pa.Table, path: Path) -> None:
    """A quote that is never closed swallows the rest of the file into one cell."""
    if table.num_rows == 0 or data.count(b'"') % 2 == 0:
        return
    last = [column[-1].as_py() or b"" for column in table.columns]
    if any(b"\n" in cell for cell in last):
        start = max(last, key=len).decode("utf-8", errors="replace")[:60]
        raise _not_as_named(path, f"has a quote that is never closed, before {start!r}; it")


def _decode(table: pa.Table, malformed: list[Malformed]) -> pl.DataFrame:
    """Bytes to text; rows with a cell that is not UTF-8 become malformed records."""
    good = [True] * table.num_rows
    for name in table.column_names:
        for index in _undecodable(table.column(name)):
            good[index] = False
    for index in (i for i, fine in enumerate(good) if not fine):
        cells = {name: _shown(table.column(name)[index].as_py()) for name in table.column_names}
        reason = f"row {index + 1}: bytes that are not UTF-8"
        malformed.append(Malformed("invalid_utf8", reason, json.dumps(cells, ensure_ascii=False)))
    kept = table if all(good) else table.filter(pa.array(good))
    columns = {name: kept.column(name).cast(pa.large_string()) for name in kept.column_names}
    return pl.DataFrame(columns)


def _undecodable(column: pa.ChunkedArray) -> Iterator[int]:
    try:
        column.cast(pa.string())
    except pa.ArrowInvalid:
        for index, cell in enumerate(column.to_pylist()):
            if cell is not None and not _is_utf8(cell):
                yield index


def _is_utf8(cell: bytes) -> bool:
    try:
        cell.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _shown(cell: bytes | None) -> str | None:
    return None if cell is None else cell.decode("utf-8", errors="backslashreplace")
