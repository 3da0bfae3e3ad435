"""Files as a source: every record becomes a row or a malformed record with its reason.

CSV, TSV and JSON lines are read as text, because a guess at types made here could not be undone;
cleaning types them. Parquet keeps its types. A file is read in batches, whatever its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import polars as pl
from pydantic import Field, field_validator

from fusemine.tasks.core.errors import SourceError, nearest
from fusemine.tasks.sources.formats.delimited import csv_batches
from fusemine.tasks.sources.formats.json_lines import json_batches
from fusemine.tasks.sources.formats.parquet import parquet_batches
from fusemine.tasks.sources.pattern import Pattern
from fusemine.tasks.sources.source import CHUNK, Batch, Piece, SourceSettings
from fusemine.tasks.sources.unchanged import content_of, unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.tasks.sources.formats.records import Records


class Format(StrEnum):
    """The format of a source's files."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


COMPRESSIONS = (".gz", ".bz2", ".zst", ".lz4")
_SUFFIXES = {
    Format.CSV: (".csv", ".txt"),
    Format.TSV: (".tsv", ".tab"),
    Format.JSONL: (".jsonl", ".ndjson"),
    Format.PARQUET: (".parquet", ".pq"),
}


class FilesSettings(SourceSettings):
    """Files on a disk."""

    not_in_keys = frozenset({"kind", "path"})

    kind: Literal["files"] = "files"
    """Kind of the source; it may be left out for files."""
    path: str
    """A file or a glob pattern, relative to the pipeline.yaml. Compressed files (.gz, .bz2,
    .zst, .lz4) are read as they are."""
    format: Format | None = None
    """Format of the files; by default their names show it."""
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    """Character between the fields of a CSV file; by default a comma, in TSV a tab."""
    encoding: str = "utf-8"
    """Character encoding of CSV and TSV files."""

    @field_validator("separator")
    @classmethod
    def _separates(cls, mark: str | None) -> str | None:
        if mark is not None and mark in '"\r\n\x02\x03':
            raise ValueError(f"{mark!r} cannot be a separator; name a character such as ';'")
        return mark

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            "".encode(name)
        except LookupError as error:
            raise ValueError(f"{name!r} is not a text encoding such as utf-8 or cp1252") from error
        return name


@dataclass(frozen=True)
class Files:
    """The files that a pattern names.

    Args:
        settings: The pattern, and how the files are read.
        base: Folder that relative paths start from.
    """

    settings: FilesSettings
    base: Path
    unit: ClassVar[str] = "file"

    def pieces(self) -> list[Piece]:
        """The files, sorted by path, with the hashes of their content.

        Raises:
            SourceError: There is none, or what the pattern names cannot be read.
        """
        return [_piece(path, self.base) for path in find_files(self.settings, self.base)]

    def read(self, piece: Piece) -> Iterator[Batch]:
        """The records of a file.

        Raises:
            SourceError: The file is not in the format of its name or the settings, or it is no
                longer the one that was listed.
        """
        path = self.base / piece.name
        # A file of lines may grow: it is read as it was when it was listed.
        is_text = _form(path, self.settings) is not Format.PARQUET
        size = piece.size if is_text else None
        batches = read_batches(path, self.settings, self.base, size=size)
        return unchanged(batches, path, piece.fingerprint, size)


def _piece(path: Path, base: Path) -> Piece:
    name, (content, size) = source_name(path, base), content_of(path)
    return Piece(name, content, path.name if name.startswith("/") else name, size)


def find_files(settings: SourceSettings, base: Path) -> list[Path]:
    """The source's files, sorted by path; a source of another kind has none.

    Raises:
        SourceError: There is none, or what the pattern names cannot be read.
    """
    if not isinstance(settings, FilesSettings):
        return []
    files = Pattern(settings.path, base).files()
    if not files:
        raise _no_file(settings.path, base)
    return files


def read_file(path: Path, settings: FilesSettings, base: Path) -> Batch:
    """All records of one file, as one batch.

    Raises:
        SourceError: The file is not in the format of its name or the settings.
    """
    batches = list(read_batches(path, settings, base))
    malformed = [record for batch in batches for record in batch.malformed]
    return Batch(batches[0].source, pl.concat([b.frame for b in batches]), malformed)


def read_batches(
    path: Path,
    settings: FilesSettings,
    base: Path,
    rows: int = CHUNK,
    size: int | None = None,
) -> Iterator[Batch]:
    """The records of one file, in its order, a batch at a time; memory is that of a batch.

    All batches have the file's columns, so that a row is the same in any of them; for that JSON
    lines are read twice. At least one batch comes, which may be without rows.

    Args:
        path: The file.
        settings: How it is to be read.
        base: The folder that the file's name is relative to.
        rows: Records of a batch at most, malformed ones included.
        size: How many bytes of a file of lines are read; all by default.

    Raises:
        SourceError: The file is not in the format of its name or the settings. This may turn out
            only after the last batch (a quote that is never closed, a file that was cut off):
            until the end, nothing that was read is certain.
    """
    if rows < 1:
        raise ValueError(f"batches of {rows} records")
    name = source_name(path, base)
    first = first_malformed = 0
    for frame, malformed in _records(path, settings, rows, size):
        yield Batch(name, frame, malformed, first, first_malformed)
        first, first_malformed = first + frame.height, first_malformed + len(malformed)


def _records(path: Path, settings: FilesSettings, rows: int, size: int | None) -> Iterator[Records]:
    form = _form(path, settings)
    if form is Format.PARQUET:
        return parquet_batches(path, rows)
    if form is Format.JSONL:
        return json_batches(path, rows, size)
    separator = settings.separator or ("\t" if form is Format.TSV else ",")
    return csv_batches(path, rows, separator, settings.encoding, size)


def _form(path: Path, settings: FilesSettings) -> Format:
    return settings.format or format_of(path)


def source_name(path: Path, base: Path) -> str:
    """What a file is called in tables and manifests: its path from `base`, where it is below.

    >>> source_name(Path("/data/in/a.csv"), Path("/data"))
    'in/a.csv'

    Raises:
        SourceError: The name is no UTF-8, so that no table could hold it.
    """
    name = path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()
    if not is_storable(name):
        raise SourceError(
            got=f"file {name!r}, whose name is not UTF-8",
            expected="names of files and folders that can be printed and stored",
            fix="rename it",
        )
    return name


def is_storable(name: str) -> bool:
    """Whether a name can be stored as UTF-8; those of a disk may hold any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def format_of(path: Path) -> Format:
    """The format that a file's name shows.

    Raises:
        SourceError: The name shows none.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    for form, names in _SUFFIXES.items():
        if suffixes and suffixes[-1] in names:
            return form
    raise SourceError(
        got=f"file {path.name!r}, whose name shows no format",
        expected=f"a name that ends in {', '.join(chain(*_SUFFIXES.values()))}, plain or with "
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
