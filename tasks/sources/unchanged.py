"""A file that is read must stay as it is: what it holds is stored under the hash of its content."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from fusemine.tasks.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import stat_result
    from pathlib import Path

Read = TypeVar("Read")
BLOCK = 2**20


class ChangedError(SourceError):
    """A file changed while it was read: what is there now may be read."""


def content_of(path: Path, most: int | None = None) -> tuple[str, int]:
    """SHA-256 of a file's content, in hexadecimal, and its size in bytes.

    Args:
        path: The file.
        most: Bytes that count, from the first on; all by default.

    Raises:
        SourceError: It cannot be read.
    """
    content, size = sha256(), 0
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK if most is None else min(BLOCK, most - size)):
                content.update(block)
                size += len(block)
        return content.hexdigest(), size
    except OSError as error:
        raise _unreadable(path, error) from error


def unchanged(
    read: Iterator[Read], path: Path, content: str, size: int | None = None
) -> Iterator[Read]:
    """All that is read of a file; at its end it is certain that the file held it all the time.

    Args:
        read: Reads the file, which begins with the first value.
        path: The file.
        content: The hash that its content had before.
        size: Bytes that it had then, where only these are read: it may have grown since.

    Raises:
        ChangedError: The file was replaced or written to meanwhile.
        SourceError: It is gone.
    """
    before = _state(path)
    try:
        yield from read
    except SourceError:
        _compare(path, before, content, size)  # the reason, if it is one
        raise
    _compare(path, before, content, size)


def _compare(path: Path, before: stat_result, content: str, size: int | None) -> None:
    found, _ = content_of(path, size)
    after = _state(path)
    # The hash alone does not do: a file may be another one only while it is read.
    same = after.st_ino == before.st_ino and after.st_dev == before.st_dev
    written = (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns)
    grown = size is not None and after.st_size > size
    if found != content or not same or (written and not grown):
        raise ChangedError(
            got=f"file {path.name!r}, which changed while it was read",
            expected="files that stay as they are until they are read",
            fix="run again when nothing writes to it; nothing of it was stored",
        )


def _state(path: Path) -> stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError(
            got=f"file {path.name!r}, which is gone: it was there a moment ago",
            expected="files that stay where they are until they are read",
            fix="run again when nothing moves them",
        )
    return SourceError(
        got=f"file {path.name!r} cannot be read: {error.strerror or error}",
        expected="files that this user can read, on a disk that answers",
        fix="look at the file and its disk, then run again",
    )
