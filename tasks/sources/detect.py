"""Finding out how a file has to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.files import format_of, read_file
from fusemine.tasks.sources.files_settings import FilesSettings, Format
from fusemine.tasks.sources.source import Batch

if TYPE_CHECKING:
    from pathlib import Path

_SEPARATORS = (None, ";", "\t", "|")
_ENCODINGS = ("utf-8", "utf-16", "cp1252")


def find_source(table: Path, pattern: str) -> tuple[FilesSettings, Batch]:
    """Settings that read a table, and its rows.

    Args:
        table: The file.
        pattern: What `source.path` will say.

    Raises:
        SourceError: No settings read it.
    """
    if not table.is_file():
        raise SourceError(
            got=f"no file at {table}",
            expected="a table: CSV, TSV, JSON lines or Parquet",
            fix="name a file that exists",
        )
    plain = format_of(table) in {Format.JSONL, Format.PARQUET}
    first: SourceError | None = None
    read: list[tuple[FilesSettings, Batch]] = []
    for encoding in _ENCODINGS[:1] if plain else _ENCODINGS:
        for separator in _SEPARATORS[:1] if plain else _SEPARATORS:
            settings = FilesSettings(path=pattern, separator=separator, encoding=encoding)
            try:
                rows = read_file(table, settings, table.parent)
            except SourceError as error:
                first = first or error
                continue
            if _reads_well(rows):
                return settings, rows
            read.append((settings, rows))
    if not read:
        raise first or ValueError("no way to read was tried")
    return min(read, key=lambda found: len(found[1].malformed))


def _reads_well(rows: Batch) -> bool:
    """Whether nearly all records are rows."""
    return len(rows.malformed) <= 0.05 * (rows.frame.height + len(rows.malformed))
