"""Reading a source's files: every record becomes a row or a malformed record with its reason.

CSV, TSV and JSON lines are read as text, because a guess at types made here could not be undone;
cleaning types them. Parquet keeps its types. A file is read in batches, whatever its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.errors import SourceError, nearest
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.sources.delimited import csv_batches
from fusemine.tasks.sources.files_settings import Format
from fusemine.tasks.sources.json_lines import json_batches, json_names
from fusemine.tasks.sources.parquet import parquet_batches
from fusemine.tasks.sources.records import Malformed, Records
from fusemine.tasks.sources.source import CHUNK, Batch, Piece
from fusemine.tasks.sources.streams import byte_lines, read_on, text_blocks, text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusemine.tasks.sources.files_settings import FilesSettings

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


@dataclass(frozen=True)
class Files:
    """The files that a pattern names.

    Args:
        settings: The pattern, and how the files are read.
        base: Folder that relative paths start from.
    """

    settings: FilesSettings
    base: Path

    def pieces(self) -> list[Piece]:
        """The files, sorted by path, with the hashes of their content.

        Raises:
            SourceError: There is none, or one cannot be read.
        """
        return [_piece(path, self.base) for path in find_files(self.settings, self.base)]

    def read(self, piece: Piece) -> Iterator[Batch]:
        """The records of a file.

        Raises:
            SourceError: The file is not what its name or the settings say.
        """
        return read_batches(self.base / piece.name, self.settings, self.base)


def _piece(path: Path, base: Path) -> Piece:
    try:
        fingerprint = file_digest(path)
    except OSError as error:
        raise SourceError(
            got=f"file {path.name!r} cannot be read: {error.strerror or error}",
            expected="files that this user can read, on a disk that answers",
            fix="look at the file and its disk, then run again",
        ) from error
    name = source_name(path, base)
    return Piece(name, fingerprint, path.name if name.startswith("/") else name)


def find_files(settings: FilesSettings, base: Path) -> list[Path]:
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


def read_file(path: Path, settings: FilesSettings, base: Path) -> Batch:
    """All records of one file, as one batch.

    Raises:
        SourceError: The file is not what its name or the settings say.
    """
    frames: list[pl.DataFrame] = []
    malformed: list[Malformed] = []
    for frame, others in _batches(path, settings, CHUNK):
        frames.append(frame)
        malformed += others
    # Later lines of JSON may bring new columns.
    return Batch(source_name(path, base), pl.concat(frames, how="diagonal"), malformed)


def read_batches(
    path: Path, settings: FilesSettings, base: Path, rows: int = CHUNK
) -> Iterator[Batch]:
    """The records of one file, in its order, a batch at a time; memory is that of a batch.

    All batches have the file's columns, so that a row is the same in any of them; for that JSON
    lines are read twice. At least one batch comes, which may be without rows.

    Args:
        path: The file.
        settings: How it is to be read.
        base: The folder from which the file's name is told.
        rows: Records of a batch at most, malformed ones included.

    Raises:
        SourceError: The file is not what its name or the settings say. This may turn out only
            after the last batch (a quote that is never closed, a file that was cut off): until
            the end, nothing that was read is certain.
    """
    if rows < 1:
        raise ValueError(f"batches of {rows} records")
    names: Sequence[str] = ()
    if _form(path, settings) is Format.JSONL:
        names = json_names(byte_lines(text_blocks(path)))
    name = source_name(path, base)
    first = first_malformed = 0
    for frame, malformed in _batches(path, settings, rows, names):
        yield Batch(name, frame, malformed, first, first_malformed)
        first, first_malformed = first + frame.height, first_malformed + len(malformed)


def _batches(
    path: Path, settings: FilesSettings, rows: int, names: Sequence[str] = ()
) -> Iterator[Records]:
    """The batches of a file; `names` are columns that all batches of JSON lines have."""
    form = _form(path, settings)
    if form is Format.PARQUET:
        return ((frame, []) for frame in parquet_batches(path, rows))
    blocks = text_blocks(path)
    if form is Format.JSONL:
        return json_batches(byte_lines(blocks), path, rows, names)
    separator = settings.separator or ("\t" if form is Format.TSV else ",")
    lines = text_lines(blocks, path, settings.encoding)
    return _to_the_end(csv_batches(lines, path, separator, rows), lines)


def _to_the_end(batches: Iterator[Records], lines: Iterator[str]) -> Iterator[Records]:
    """The batches; a fault of the text itself, wherever it lies, comes before one of a record."""
    try:
        yield from batches
    except SourceError:
        read_on(lines)
        raise
    read_on(lines)


def _form(path: Path, settings: FilesSettings) -> Format:
    return settings.format or format_of(path)


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
