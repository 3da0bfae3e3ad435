"""Places below a root: no name leads out of it, and nothing is removed through a link.

What a link leads to is not below the root: no command could say what it holds, and what it holds
may be somebody else's. So each command that meets a link in the place of something of fusemine's
refuses to go on. The root itself may be a link.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import ExitStack, suppress
from errno import ELOOP, ENOTDIR
from stat import S_ISDIR, S_ISLNK
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import ArtifactError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DRAFT = ".draft-"
"""Prefix of the name of what is still being written."""
DAMAGED = ".damaged-"
"""Prefix of the name of what was set aside."""
DEEPEST = 3
"""Slashes in the name of an artifact's file; nothing that is kept is deeper."""
_LEFT = re.compile(rf"{re.escape(DRAFT)}[a-z0-9_]{{8}}|{re.escape(DAMAGED)}[a-z0-9_]{{8}}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY


def is_left(base: str) -> bool:
    """Whether a process that was killed may have left something of this name, the last of a path.

    >>> is_left(".draft-k3_x09ab"), is_left(".draft-letter.txt")
    (True, False)
    """
    return _LEFT.fullmatch(base) is not None


def place_of(root: Path, name: str) -> Path:
    """Where a name is.

    Raises:
        ArtifactError: It would lead out of the root.
        SettingsError: A part of it is a link.
    """
    path = root
    for part in _parts(root, name) if name else ():
        path = path / part
        if path.is_symlink():
            raise link_error(path)
    return path


def link_error(path: Path) -> SettingsError:
    """The error of a link in the place of something of fusemine's."""
    to = path.readlink() if path.is_symlink() else "another place"
    return SettingsError(
        got=f"{path}, which is a link to {to}",
        expected="no links below the root in the place of what fusemine keeps: nothing is read, "
        "written or removed through them",
        fix="if it leads to what fusemine kept here, move that back in place of the link; if it is "
        "your own, move it elsewhere. To keep artifacts on another disk, move the whole root "
        "there and make the root a link, or name it as root in the pipeline.yaml",
    )


def remove(root: Path, name: str) -> None:
    """Remove a file, or a draft whole, and the folders that it leaves empty.

    What is gone already is no error. Each folder on the way is opened, not looked up by its path,
    so that nobody can put a link in its place meanwhile.

    Raises:
        OSError: It cannot be removed.
        ArtifactError: It is a folder, or its name would lead out of the root.
        SettingsError: It is a link, or a part of its name is one.
    """
    _taken_from(root, name, lambda folder, last: _remove_from(folder, last, root / name))


def move_out(root: Path, name: str, to: Path) -> None:
    """Move a folder away in one step, by the rules of `remove`, and the folders left empty too.

    Raises:
        OSError: It cannot be moved.
        SettingsError: It is a link, or a part of its name is one.
    """

    def move(folder: int, last: str) -> None:
        if S_ISLNK(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode):
            raise link_error(root / name)
        os.rename(last, to, src_dir_fd=folder)

    _taken_from(root, name, move)


def _taken_from(root: Path, name: str, take: Callable[[int, str], None]) -> None:
    """Take something out of its folder, which is given open, with its name there."""
    *parents, last = _parts(root, name)
    with ExitStack() as stack:
        opened: list[int] = []
        with suppress(FileNotFoundError):
            opened.append(_opened(stack, root, None))
            for number in range(len(parents)):
                path = root.joinpath(*parents[: number + 1])
                opened.append(_opened(stack, path, opened[-1]))
            take(opened[-1], last)
        for parent, folder in reversed(list(zip(parents, opened, strict=False))):
            with suppress(OSError):  # something is in it
                os.rmdir(parent, dir_fd=folder)


def _opened(stack: ExitStack, path: Path, folder: int | None) -> int:
    """A folder in an open one, open until the stack ends; only the root may be a link."""
    try:
        if folder is None:
            handle = os.open(path, _FOLDER)
        else:
            handle = os.open(path.name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if folder is not None and error.errno in {ELOOP, ENOTDIR} and path.is_symlink():
            raise link_error(path) from error
        raise
    stack.callback(os.close, handle)
    return handle


def _remove_from(folder: int, name: str, path: Path) -> None:
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if S_ISLNK(mode):
        raise link_error(path)
    if not S_ISDIR(mode):
        os.unlink(name, dir_fd=folder)
    elif is_left(name):
        shutil.rmtree(name, dir_fd=folder)
    else:
        raise ArtifactError(
            got=f"{path}, a folder",
            expected="a file in its place",
            fix="move the folder elsewhere, then do it again: what is done stays done",
        )


def _parts(root: Path, name: str) -> list[str]:
    parts = name.split("/")
    if not {"", ".", ".."}.isdisjoint(parts) or "\0" in name:
        raise ArtifactError(
            got=f"the name {name!r} of something below {root}",
            expected="a path below the root, from folder to folder",
            fix="a record or manifest there was changed by hand; remove it and run again",
        )
    return parts
