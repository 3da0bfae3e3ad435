"""How much a source may ask for: far more than tables have, and less than a machine's memory.

Each bound is held while a file is read, before the memory is taken. A file beyond one is refused,
with its name, the place in it and the bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 2**20
RECORD = 16 * MIB
"""Bytes of one record, and so of a line and of a cell."""
COLUMNS = 5_000
"""Columns of a file; in JSON lines the keys of all its lines."""
BATCH = 256 * MIB
"""Bytes of the records that are in memory at a time; a batch ends early for it."""
CELLS = 5_000_000
"""The same in cells, empty ones among them."""
UNPACKED, RATIO = 256 * MIB, 250
"""A compressed file may become so many bytes, or so many times its size if that is more."""
SPARSE, PER_BYTE = 100_000_000, 32
"""A file may have so many cells, or so many to each of its bytes if that is more: cells that are
empty take room in memory, but none in JSON lines or Parquet."""
FOOTER = 64 * MIB
"""Bytes of what a Parquet file states of itself: its columns and row groups."""


class TooLargeError(SourceError):
    """A file is beyond a bound, which no other way to read it would change."""


def rows_of(columns: int, rows: int) -> int:
    """Rows of a batch, at most so many, whose cells are within the bound.

    >>> rows_of(12, 50_000), rows_of(5_000, 50_000)
    (50000, 1000)
    """
    return max(1, min(rows, CELLS // max(1, columns)))


def refuse_columns(path: Path, columns: int, where: str) -> None:
    """Refuse a file with more columns than `COLUMNS`.

    Args:
        path: The file.
        columns: How many it has, as far as it was read.
        where: The place that shows it.

    Raises:
        TooLargeError: It has more.
    """
    if columns > COLUMNS:
        raise TooLargeError(
            got=f"file {path.name!r}, {where}: {columns:,} columns or more",
            expected=f"at most {COLUMNS:,}",
            fix="put what differs from row to row into the rows of one column, or leave columns "
            "out; see also that source.separator is right",
        )


def refuse_sparse(path: Path, rows: int, columns: int, size: int) -> None:
    """Refuse a file that is small only because nearly all of its cells are empty.

    Args:
        path: The file.
        rows: Its rows.
        columns: Its columns.
        size: Its bytes.

    Raises:
        TooLargeError: It is one.
    """
    most = max(SPARSE, PER_BYTE * size)
    if rows * columns > most:
        raise TooLargeError(
            got=f"file {path.name!r}: {rows:,} rows and {columns:,} columns in {size:,} bytes",
            expected=f"at most {most:,} cells, empty ones among them, in a file of that size",
            fix="put what differs from row to row into the rows of one column, or cut the file",
        )


def refuse_unpacked(path: Path, size: int) -> None:
    """Refuse a compressed file that becomes more than anything compressed well does.

    Args:
        path: The file.
        size: Bytes that were unpacked so far.

    Raises:
        TooLargeError: It does.
    """
    most = max(UNPACKED, RATIO * path.stat().st_size)
    if size > most:
        raise TooLargeError(
            got=f"file {path.name!r} unpacks to more than {most:,} bytes",
            expected=f"at most {RATIO} times its size, or {UNPACKED // MIB} MiB",
            fix="see that it is the right file; if it is, unpack it",
        )


class Meter:
    """Counts what is read of a text file, to refuse a record that is too long, and end a batch.

    Args:
        path: The file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 1
        self._since_record = self._since_batch = 0

    def blocks(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The blocks of a file, as long as its lines are not too long."""
        line, run = 1, 0
        for block in blocks:
            end = max(block.rfind(b"\n"), block.rfind(b"\r"))
            run = run + len(block) if end < 0 else len(block) - end - 1
            if run > RECORD:
                raise self._too_long("line", line)
            line += block.count(b"\n")
            yield block

    def lines(self, lines: Iterator[str]) -> Iterator[str]:
        """The lines of a file, as long as no record of several lines becomes too long."""
        for self._line, line in enumerate(lines, start=1):
            self._since_record += len(line)
            self._since_batch += len(line)
            if self._since_record > RECORD:
                raise self._too_long("record up to line", self._line)
            yield line

    def record_read(self) -> None:
        """A record has ended."""
        self._since_record = 0

    def count(self, size: int) -> None:
        """So many bytes were read for a batch."""
        self._since_batch += size

    def is_full(self) -> bool:
        """Whether the batch has to end; the next one begins with that."""
        full = self._since_batch >= BATCH
        self._since_batch = 0 if full else self._since_batch
        return full

    def _too_long(self, what: str, line: int) -> TooLargeError:
        return TooLargeError(
            got=f"file {self._path.name!r}, {what} {line:,}: more than {RECORD:,} bytes",
            expected=f"records of at most {RECORD // MIB} MiB each",
            fix="see that each row ends in a line of its own and that no quote before it is left "
            "open, or cut the cell",
        )
