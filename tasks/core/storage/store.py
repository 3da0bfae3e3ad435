"""Where a pipeline keeps things: named pieces of bytes below a root.

A name is a path of parts joined by `/`. Files are written once, under a name that contains a hash
of their content. Records, such as manifests, are created if absent or replaced if unchanged. So any
number of processes can write below one root, and a kill at any moment leaves nothing half done.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.core.storage.locks import file_lock
from fusemine.tasks.core.storage.places import (
    DAMAGED,
    DEEPEST,
    DRAFT,
    is_left,
    link_error,
    move_out,
    place_of,
    remove,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

CHANGES = ".changes"
"""Whoever compares before writing locks this file, so that nothing is written in between."""


@dataclass(frozen=True)
class FileInfo:
    """A file in a store.

    Args:
        name: Its name.
        size: Bytes.
        modified: When it was last written, in seconds since 1970 (UTC).
    """

    name: str
    size: int
    modified: float

    @property
    def folder(self) -> str:
        """Its name without the last part."""
        return self.name.rpartition("/")[0]

    @property
    def base(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True)
class Store:
    """What a pipeline keeps, in a folder; all names are below it.

    Nothing else touches paths below a root, so that a store of objects can take its place. Each
    method refuses a name of which a part is a link (`fusemine.tasks.core.storage.places`).
    """

    folder: Path

    @property
    def root(self) -> str:
        """Where it is."""
        return str(self.folder)

    def files(self, prefix: str = "") -> Iterator[FileInfo]:
        """All files below a prefix, such as `clean/1996-05`, in the order of names; no links.

        Draft folders that a kill has left without files are among them.

        Raises:
            SettingsError: There is a link below the prefix; below none, see `links`.
            ArtifactError: A folder cannot be listed: what it holds must not be left out unseen.
        """
        for name, stat in self._below(prefix):
            if prefix and _is_link(name, stat):
                raise link_error(self.folder / name)
            is_draft = S_ISDIR(stat.st_mode) and is_left(name.rpartition("/")[2])
            if S_ISREG(stat.st_mode):
                yield FileInfo(name, stat.st_size, stat.st_mtime)
            elif is_draft and all(S_ISDIR(inner.st_mode) for _, inner in self._below(name)):
                yield FileInfo(name, 0, stat.st_mtime)

    def links(self) -> list[str]:
        """The links below the root where files or folders of the store could be."""
        return [name for name, stat in self._below("") if _is_link(name, stat)]

    def _below(self, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        """All below a prefix, or what is there under that name if it is no folder."""
        top = place_of(self.folder, prefix)
        found = [top]
        if top.is_dir():
            walk = os.walk(top, onerror=_raise_unlisted)
            found = [Path(place, name) for place, *kinds in walk for name in chain(*kinds)]
        for path in sorted(found):
            with suppress(FileNotFoundError):  # a run took it away meanwhile
                yield path.relative_to(self.folder).as_posix(), path.lstat()

    def folders(self, prefix: str = "") -> list[str]:
        """The names of the next parts below a prefix that hold something, in order; no drafts.

        Raises:
            SettingsError: One of them is a link.
        """
        try:
            found = sorted(os.scandir(place_of(self.folder, prefix)), key=lambda e: e.name)
        except OSError:
            return []
        for link in (entry for entry in found if prefix and entry.is_symlink()):
            raise link_error(Path(link.path))
        return [e.name for e in found if e.is_dir(follow_symlinks=False) and e.name[0] != "."]

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return place_of(self.folder, name).is_file()

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: There is none.
        """
        return place_of(self.folder, name).read_bytes()

    def sha256(self, name: str) -> str:
        """Hash of a file's content, computed once for as long as the file is not written to.

        Raises:
            OSError: There is no such file, or it cannot be read.
        """
        path = place_of(self.folder, name)
        stat = path.stat()
        return _hashed(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def location(self, name: str) -> str:
        """What polars and pyarrow open to read a part of a file."""
        return str(place_of(self.folder, name))

    def add_file(self, path: Path, name: str, sha256: str) -> None:
        """Move a local file in under a name that its content decides.

        A file of that name stays, unless its content is another one, which is damage.

        Raises:
            FileNotFoundError: The local file is gone.
        """
        with suppress(OSError):  # there is none, or a disk does not answer: it is written
            if self.sha256(name) == sha256:
                return
        target = place_of(self.folder, name)
        while True:
            path.stat()  # an error where it is gone, and no reason to try again
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # another process found the folder empty
                self._put(path, name)
                return

    def create(self, name: str, content: bytes) -> bool:
        """Write a whole file if there is none of this name; whether it was written."""
        target = place_of(self.folder, name)
        with _drafted(target, content) as draft:
            try:
                os.link(draft, target)  # which fails if there is one
            except FileExistsError:
                return False
        return True

    def replace(self, name: str, content: bytes, before: bytes | None = None) -> bool:
        """Write a whole file in place of what is there; whether it was written.

        Args:
            name: The name.
            content: What it holds from now on.
            before: Write only if it holds this now (compare and swap).
        """
        target = place_of(self.folder, name)
        with _drafted(target, content) as draft:
            if before is None:
                self._put(draft, name)
                return True
            with file_lock(self.folder / CHANGES):
                same = target.is_file() and target.read_bytes() == before
                if same:
                    draft.replace(target)
                return same

    def _put(self, path: Path, name: str) -> None:
        """Move a file to its name; a folder that somebody put there is set aside."""
        while True:
            try:
                path.replace(self.folder / name)
            except IsADirectoryError:
                self.set_aside(name)
            else:
                return

    def delete(self, name: str) -> None:
        """Remove a file, or a draft whole; what is gone already is no error.

        Links are not followed, and folders that become empty go too.

        Raises:
            ArtifactError: It cannot be removed.
            SettingsError: A link is in its way.
        """
        try:
            remove(self.folder, name)
        except OSError as error:
            raise ArtifactError(
                got=f"{self.folder / name}, which cannot be removed: {error.strerror or error}",
                expected="the right to write below the root",
                fix="look at the owner of the files, then do it again: what is done stays done",
            ) from error

    def delete_all(self, folder: str, names: Collection[str]) -> None:
        """Remove files of a folder, in one step unless somebody else has something in it too.

        Raises:
            ArtifactError: One cannot be removed.
            SettingsError: A link is in its way.
        """
        if self._holds_only(folder, names) and self._moved_out(folder, names):
            return
        for name in names:
            self.delete(name)

    def _moved_out(self, folder: str, names: Collection[str]) -> bool:
        """Remove a folder in one step; False where that cannot be, as on a full disk."""
        bases = {name.rpartition("/")[2] for name in names}
        try:
            with self.draft_folder() as draft:
                moved = draft / "all"
                move_out(self.folder, folder, moved)
                if moved.exists() and not {path.name for path in moved.iterdir()} <= bases:
                    back = place_of(self.folder, folder)  # somebody has just put something in it
                    back.parent.mkdir(parents=True, exist_ok=True)
                    moved.rename(back)
                    return False
        except OSError:
            return False
        return True

    def _holds_only(self, folder: str, names: Collection[str]) -> bool:
        place = place_of(self.folder, folder)
        found = {f"{folder}/{path.name}" for path in place.iterdir()} if place.is_dir() else set()
        return bool(found) and found <= set(names)

    def rename(self, name: str, new: str) -> None:
        """Give all that is stored below a name another one, unless that is taken meanwhile."""
        old, new_place = place_of(self.folder, name), place_of(self.folder, new)
        with suppress(OSError):  # another process was first
            old.rename(new_place)

    def set_aside(self, name: str) -> None:
        """Take a damaged file out of use, and keep it for a person to look at."""
        path = place_of(self.folder, name)
        aside = path.with_name(f"{DAMAGED}{path.name}")
        while aside.is_dir() or (path.is_dir() and aside.exists()):  # what it holds is kept too
            aside = aside.with_name(f"{aside.name}~")
        with suppress(FileNotFoundError):  # another process was first
            path.rename(aside)

    @contextmanager
    def draft_folder(self) -> Iterator[Path]:
        """A new folder for files that are then added; removed in the end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=DRAFT, dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def lock_file(self, name: str) -> Path:
        """A file to be locked by the processes of this machine."""
        path = place_of(self.folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@cache
def store_at(root: Path | str) -> Store:
    """The store at a root."""
    return Store(Path(root))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside one of the user's, which it replaces if the block ends without an error.

    Readers, and a kill at any moment, find either the old file or the new one. Where the path is a
    link, the file that it leads to is replaced, and the link stays.

    Raises:
        ArtifactError: It cannot be written.
        SettingsError: It is no file, such as a folder or a device.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise SettingsError(
            got=f"{path}, which cannot be written, because it is no file",
            expected="a file to write, or a name that is free",
            fix="name another place",
        )
    try:
        with _drafted(target, b"") as draft:
            yield draft
            if target.exists():
                draft.chmod(S_IMODE(target.stat().st_mode))
            with draft.open("rb") as file:
                os.fsync(file.fileno())  # the name must not be on the disk before the content
            draft.replace(target)
    except OSError as error:
        raise ArtifactError(
            got=f"{path}, which cannot be written: {error.strerror or error}",
            expected="room on the disk, and the right to write there",
            fix="free some space, or name another place",
        ) from error


@contextmanager
def _drafted(target: Path, content: bytes) -> Iterator[Path]:
    """A whole file beside the one that it is to become; gone at the end if it still is there."""
    handle, draft = _new_file(target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        draft.chmod(0o644)
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _new_file(folder: Path) -> tuple[int, Path]:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process found the folder empty
            handle, name = tempfile.mkstemp(prefix=DRAFT, dir=folder)
            return handle, Path(name)


def _raise_unlisted(error: OSError) -> None:
    is_gone = isinstance(error, FileNotFoundError | NotADirectoryError)  # a run took it away
    # At the top of a disk the system has a folder of its own.
    if not is_gone and Path(error.filename).name != "lost+found":
        raise ArtifactError(
            got=f"{error.filename}, which cannot be listed: {error.strerror or error}",
            expected="the right to list all folders below the root",
            fix="look at the owner and the mode of the folder, then do it again",
        ) from error


def _is_link(name: str, stat: os.stat_result) -> bool:
    """Whether this is a link where something of the store could be; deeper ones are a user's."""
    return S_ISLNK(stat.st_mode) and name.count("/") <= DEEPEST


@lru_cache(maxsize=100_000)
def _hashed(path: Path, _inode: int, _size: int, _modified: int) -> str:
    return file_digest(path)
