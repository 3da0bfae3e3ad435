"""A text file's bytes and lines, uncompressed, a block at a time.

Of several faults the deepest one is reported: first that the file cannot be decompressed, then
what it holds instead, then its encoding. So what finds a later fault reads to the end of the file.
"""

from __future__ import annotations

import codecs
import io
import sys
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.formats.records import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = 2**20
_PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
# The first bytes of files that are not text, whatever their name is.
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


def text_blocks(path: Path, size: int | None = None) -> Iterator[bytes]:
    """A text file's bytes, uncompressed, in blocks of at most `BLOCK` bytes.

    Args:
        path: The file.
        size: How many of its bytes are read, from the first on; all by default.

    Raises:
        SourceError: It cannot be decompressed, is not text, or turns out to be empty at its end.
    """
    blocks = _unpacked(path, size)
    first = next(blocks, b"")
    for magic, what in _MAGIC.items():
        if first.startswith(magic):
            read_to_end(blocks)
            raise unreadable(path, f"holds {what}")
    blank = True
    for block in chain([first], blocks):
        blank = blank and not block.strip()
        yield block
    if blank:
        raise SourceError(
            got=f"file {path.name!r} is empty",
            expected="a header and rows",
            fix="remove the file or deliver it again",
        )


def text_lines(blocks: Iterator[bytes], path: Path, encoding: str) -> Iterator[str]:
    r"""Lines with their ends (\n, \r or \r\n), without a byte order mark.

    In UTF-8 a byte that is none stays as half a surrogate pair, and is found later.

    Raises:
        SourceError: The text is encoded in another way.
    """
    first = next(blocks, b"")
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and encoding == "utf-8":
        read_to_end(blocks)
        raise unreadable(path, "is encoded in UTF-16: set source.encoding to utf-16; it")
    file = _BlockFile(first, blocks)
    errors = "surrogateescape" if codecs.lookup(encoding).name == "utf-8" else "strict"
    try:
        lines = io.TextIOWrapper(file, _byte_order(encoding, first), errors, newline="")
        yield next(lines, "").removeprefix("\ufeff")
        yield from lines
    except UnicodeError as error:
        read_to_end(blocks)
        why = file.describe(error)
        raise unreadable(path, f"is not encoded in {encoding} ({why})") from error


def byte_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    r"""Lines without their ends (\n, \r or \r\n) and without the byte order mark of UTF-8."""
    first = next(blocks, b"").removeprefix(codecs.BOM_UTF8)
    # As Latin-1 every byte is a character, and a long line is put together in linear time.
    lines = io.TextIOWrapper(_BlockFile(first, blocks), "latin-1", newline="")
    return (line.rstrip("\r\n").encode("latin-1") for line in lines)


def read_to_end(rest: Iterator[object]) -> None:
    """Read to the end, where a deeper fault may be."""
    deque(rest, maxlen=0)


class _BlockFile(io.BufferedIOBase):
    """Blocks as the file that a TextIOWrapper reads."""

    name = "blocks"  # part of the interface that a TextIOWrapper asks for

    def __init__(self, first: bytes, blocks: Iterator[bytes]) -> None:
        self._first = first
        self._blocks = blocks
        self._given = 0

    def readable(self) -> bool:
        return True

    def read1(self, _size: int = -1, /) -> bytes:
        block, self._first = self._first or next(self._blocks, b""), b""
        self._given += len(block)
        return block

    def describe(self, error: UnicodeError) -> str:
        """An error's message, with its place in the file instead of in the last block."""
        if not isinstance(error, UnicodeDecodeError):
            return str(error)
        before = self._given - len(error.object)
        start, end = before + error.start, before + error.end - 1
        places = f"bytes in position {start}-{end}"
        if start == end:
            places = f"byte 0x{error.object[error.start]:02x} in position {start}"
        return f"{error.encoding!r} codec can't decode {places}: {error.reason}"


def _unpacked(path: Path, size: int | None) -> Iterator[bytes]:
    try:
        with pa.OSFile(str(path)) as file:
            whole = file.get_stream(0, file.size() if size is None else size)
            stream = pa.input_stream(whole, compression=_PACKED.get(path.suffix.lower()))
            while block := stream.read(BLOCK):
                yield block
    except (OSError, pa.ArrowException) as error:
        is_disk = isinstance(error, OSError) and error.errno  # decompressing gives no number
        what = "read" if is_disk else "decompressed"
        raise unreadable(path, f"cannot be {what} ({error})") from error


def _byte_order(encoding: str, first: bytes) -> str:
    """The encoding with its byte order, which has to be named where no mark gives it."""
    name = codecs.lookup(encoding).name
    marks = {
        "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
        "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    }
    if name not in marks or first.startswith(marks[name]):
        return encoding
    return f"{name}-{'le' if sys.byteorder == 'little' else 'be'}"
