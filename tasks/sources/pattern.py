"""The files that a pattern names. What it names and nobody can read is an error, never left out."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANY, _WILD = "**", "*?["
Place = tuple[int, int]
"""What tells files and folders apart, whatever they are called: the disk, and the number on it."""


@dataclass(frozen=True)
class Pattern:
    """A path whose parts may have the wildcards `*`, `?`, `[…]`, and be `**` for any folders.

    Links are followed, those of folders too.

    Args:
        text: The pattern.
        base: Folder that a relative one starts from.
        lenient: Whether what cannot be read is left out.
    """

    text: str
    base: Path
    lenient: bool = False

    def files(self) -> list[Path]:
        """The files, sorted by path. One that has two names is there once.

        Raises:
            SourceError: A link leads nowhere or in a circle, a folder cannot be listed, or what
                has the name of a file is none.
        """
        anchor, parts = self._parts()
        paths = self._below(anchor, parts) if parts else ()
        return sorted(_once({path for path in paths if self._is_file(path)}))

    def names(self, path: Path) -> bool:
        """Whether it names a file, be that there or not; its folder is there."""
        anchor, parts = self._parts()
        if not parts or parts[-1] == _ANY or not fnmatchcase(path.name, parts[-1]):
            return False
        folders = self._below(anchor, parts[:-1])
        return any(path.parent.samefile(folder) for folder in folders)

    def files_below(self, folder: Path) -> list[Path]:
        """Those of the files that are below a folder."""
        start, parts = self._parts()
        for part in takewhile(lambda part: not any(mark in part for mark in _WILD), parts):
            start = start / part
        start, folder = start.resolve(), folder.resolve()
        if not (folder.is_relative_to(start) or start.is_relative_to(folder)):
            return []
        return [path for path in self.files() if path.resolve().is_relative_to(folder)]

    def _parts(self) -> tuple[Path, tuple[str, ...]]:
        """Where it starts, and what follows; nothing where it can name no file."""
        path = Path(self.text)
        parts = path.parts[1:] if path.is_absolute() else path.parts
        impossible = any(_ANY in part and part != _ANY for part in parts)
        return Path(path.anchor) if path.is_absolute() else self.base, () if impossible else parts

    def _below(self, folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
        """All that there is below a folder by these parts."""
        if not parts:
            yield folder
            return
        for path in self._next(folder, parts[0]):
            if not parts[1:] or S_ISDIR(self._mode(path)):
                yield from self._below(path, parts[1:])

    def _next(self, folder: Path, part: str) -> Iterator[Path]:
        if part == _ANY:
            yield from self._tree(folder, frozenset())
        elif any(mark in part for mark in _WILD):
            yield from (folder / n for n in self._entries(folder) if fnmatchcase(n, part))
        else:
            yield folder / part

    def _tree(self, folder: Path, above: frozenset[Place]) -> Iterator[Path]:
        """A folder and all below it."""
        place = _place(folder)
        if place is None:  # it went away
            return
        if place in above:
            self._failed(f"{folder}, a link to a folder that it is in", None)
            return
        yield folder
        for name in self._entries(folder):
            if S_ISDIR(self._mode(folder / name)):
                yield from self._tree(folder / name, above | {place})

    def _entries(self, folder: Path) -> list[str]:
        try:
            return sorted(path.name for path in folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):  # it went away
            return []
        except OSError as error:
            self._failed(f"{folder}, which cannot be listed: {error.strerror}", error)
            return []

    def _mode(self, path: Path) -> int:
        """What is there, through links, as `stat` has it; 0 if nothing is."""
        try:
            return path.stat().st_mode
        except OSError as error:
            # Some programs' marks are hidden links that lead nowhere, such as Emacs' locks.
            if path.name[0] != "." and _is_link(path):
                self._failed(f"{path}, a link to {path.readlink()}: {error.strerror}", error)
            elif not isinstance(error, FileNotFoundError | NotADirectoryError):
                self._failed(f"{path}, which cannot be looked at: {error.strerror}", error)
            return 0

    def _is_file(self, path: Path) -> bool:
        mode = self._mode(path)
        # Without an ending a pattern such as `in/*` means the files of a folder, and no others.
        ending = Path(self.text).suffix
        if mode and not S_ISREG(mode) and ending and not any(mark in ending for mark in _WILD):
            what = "a folder" if S_ISDIR(mode) else "a pipe, a socket or a device"
            self._failed(f"{path}, which is {what}", None)
        return S_ISREG(mode)

    def _failed(self, got: str, error: OSError | None) -> None:
        if not self.lenient:
            raise SourceError(
                got=f"source.path names {got}",
                expected="files that are there and can be read: rows must not be left out unseen",
                fix="mount the disk, give this user the right to read it, or take it away; if it "
                "is not meant, let source.path name less",
            ) from error


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # in a folder that cannot be entered
        return False


def _place(path: Path) -> Place | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _once(paths: set[Path]) -> Iterator[Path]:
    """Each file by one name: its own before that of a link to it, then the first."""
    seen = set[Place]()
    for path in sorted(paths, key=lambda path: (path.resolve() != path.absolute(), path)):
        place = _place(path)
        if place is not None and place not in seen:
            seen.add(place)
            yield path
