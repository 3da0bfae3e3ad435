"""A file that is read must stay as it is: what it holds is stored under the hash of its content."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.key import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Read = TypeVar("Read")


class ChangedError(SourceError):
    """A file changed while it was read: what is there now may be read."""


def content_of(path: Path) -> str:
    """Hash of a file's content.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        return file_digest(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def unchanged(read: Iterator[Read], path: Path, content: str) -> Iterator[Read]:
    """All that is read of a file; at its end it is certain that the file held it all the time.

    Args:
        read: Reads the file, which begins with the first value.
        path: The file.
        content: The hash that its content had before.

    Raises:
        ChangedError: The file was replaced or written to meanwhile.
        SourceError: It is gone.
    """
    before = _state(path)
    try:
        yield from read
    except SourceError:
        _compare(path, before, content)  # the reason, if it is one
        raise
    _compare(path, before, content)


def _compare(path: Path, before: tuple[int, ...], content: str) -> None:
    # The hash alone does not do: a file may be another one only while it is read.
    if content_of(path) != content or _state(path) != before:
        raise ChangedError(
            got=f"file {path.name!r}, which changed while it was read",
            expected="files that stay as they are until they are read",
            fix="run again when nothing writes to it; nothing of it was stored",
        )


def _state(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


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
