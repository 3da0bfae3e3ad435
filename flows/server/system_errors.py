"""Errors of the system, such as a full disk or too little memory, as what to do about them."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

from fusemine.tasks.core.errors import FusemineError, RunError, SettingsError
from fusemine.tasks.core.memory import memory_error
from fusemine.tasks.table.escaping import escape_line

ROOM = 4 << 20
"""Bytes; a disk with less has no room."""

_AGAIN = "then run again: what is complete is reused"
_ROOM = ("no room is left on the disk of {}", "room on the disk", f"free some there, {_AGAIN}")
_RIGHT = (
    "{} may not be used by this user",
    "a file or folder that it may read, and write to where results go",
    "change its owner or mode, or name another",
)
_FILES = ("too many files are open", "room for a few more", f"raise `ulimit -n`, {_AGAIN}")
_FAILURES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: ("{} may not get larger", "a file of that size", "raise `ulimit -f`"),
    errno.EIO: (
        "the disk cannot read or write {}",
        "a disk without faults",
        f"check the disk and its connection, {_AGAIN}",
    ),
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
}
"""What the machine lacks: got, with the path in it, expected, and to fix."""
_MISTAKES = {
    errno.EACCES: _RIGHT,
    errno.EPERM: _RIGHT,
    errno.EROFS: (
        "{} is on a disk that can only be read",
        "a place that can be written to",
        "name another place, or mount that disk for writing",
    ),
    errno.ELOOP: ("{} is a link that leads to itself", "a file or folder", "correct the link"),
    errno.EISDIR: ("{} is a folder", "the name of a file", "name a file"),
    errno.ENOTDIR: ("{} leads through a file", "folders alone on the way", "correct the path"),
    errno.ENOENT: ("{} is not there", "a file or folder", "correct the path, or put it back"),
    errno.EEXIST: ("{} is there, and of another kind", "a name not in use", "name another"),
    errno.ENAMETOOLONG: ("{} is too long for a name", "at most 255 bytes", "name it shorter"),
}
"""What the user has named or set, in the same way."""
_LOOP = re.compile(r"Symlink loop from '(.+)'")
"""What pathlib raises before Python 3.13, and not as an error of the system."""
_RUST = re.compile(r"\(os error (\d+)\)")


def explained(error: BaseException) -> FusemineError | None:
    """What to do about an error of the system; None for an error of any other kind."""
    if (short := memory_error(error)) is not None:
        return short
    if loop := _LOOP.match(str(error)):
        return _of(errno.ELOOP, OSError(errno.ELOOP, "", loop[1]))
    found = _RUST.search(str(error))  # Polars has the number in the text alone
    number = getattr(error, "errno", None) or (int(found[1]) if found else None)
    if isinstance(error, OSError) or found:
        return _of(number, error)
    return explained(error.__cause__) if error.__cause__ else None


def prefect_home() -> Path:
    """Where Prefect keeps its database, without importing Prefect."""
    return Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()


def _of(number: int | None, error: BaseException) -> FusemineError:
    place = _place(number, error)
    if number in _MISTAKES:
        got, expected, fix = _MISTAKES[number]
        return SettingsError(got.format(place), expected, fix)
    if number in _FAILURES:
        got, expected, fix = _FAILURES[number]
        return RunError(got.format(place), expected, fix)
    message = escape_line(getattr(error, "strerror", None) or str(error))
    return RunError(f"{message}: {place}", "a file that can be used", f"correct that, {_AGAIN}")


def _place(number: int | None, error: BaseException) -> str:
    """The path that an error names; where a file was only written to it names none."""
    name = getattr(error, "filename", None)
    if isinstance(name, (str, bytes, os.PathLike)):
        return escape_line(os.fsdecode(name))
    full = _full_places() if number == errno.ENOSPC else []
    return " and of ".join(map(escape_line, full)) or "what the system does not name"


def _full_places() -> list[Path]:
    places = {Path.cwd(), prefect_home(), Path(os.environ.get("TMPDIR") or "/tmp")}  # noqa: S108
    return sorted(p for p in places if p.is_dir() and shutil.disk_usage(p).free < ROOM)
