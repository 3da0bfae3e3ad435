"""Finding out how a file has to be read."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.bounds import TooLargeError
from fusemine.tasks.sources.files import FilesSettings, Format, format_of, read_file

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.tasks.sources.source import Batch

_ENCODINGS = ("utf-8", "utf-16", "cp1252")
_SEPARATORS = (None, ";", "\t", "|")


def find_source(table: Path, pattern: str) -> tuple[FilesSettings, Batch]:
    """Settings that read a table, and its rows.

    Args:
        table: The file.
        pattern: The value of `source.path`.

    Raises:
        SourceError: No settings read it.
    """
    if not table.is_file():
        raise SourceError(
            got=f"no file at {table}",
            expected="a table: CSV, TSV, JSON lines or Parquet",
            fix="name a file that exists",
        )
    ways = list(product(_ENCODINGS, _SEPARATORS))
    if format_of(table) in {Format.JSONL, Format.PARQUET}:
        ways = ways[:1]
    errors: list[SourceError] = []
    read: list[tuple[FilesSettings, Batch]] = []
    for encoding, separator in ways:
        settings = FilesSettings(path=pattern, separator=separator, encoding=encoding)
        try:
            rows = read_file(table, settings, table.parent)
        except TooLargeError:
            raise
        except SourceError as error:
            errors.append(error)
            continue
        bad = len(rows.malformed)
        if bad <= 0.05 * (rows.frame.height + bad):  # nearly all records are rows
            return settings, rows
        read.append((settings, rows))
    if not read:
        raise errors[0]
    return min(read, key=lambda found: len(found[1].malformed))
