"""Where a pipeline keeps things: named pieces of bytes below a root.

A name is a path of parts joined by `/`. Content is written once under a name that its hash is part
of, and records, such as manifests, are created if absent or replaced if unchanged. So any number
of processes can write below one root, a kill at any moment leaves nothing half done, and a store
that has no folders and no renaming, as of objects, can take the place of the local one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.core.locks import one_by_one

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAFT = ".draft-"
"""What is being written has a name that begins so, until it is whole."""
DAMAGED = ".damaged-"
"""What was set aside has a name that begins so."""
CHANGES = ".changes"
"""What compares before it writes locks this file, so that nothing is written in between."""


@dataclass(frozen=True)
class Stored:
    """Something that a store holds.

    Args:
        name: Its name.
        size: Bytes.
        modified: When it was last written, in seconds since 1970 (UTC).
    """

    name: str
    size: int
    modified: float


class Store(Protocol):
    """What a store can do; all names are below its root."""

    @property
    def root(self) -> str:
        """Where it is."""

    def files(self, prefix: str = "") -> Iterator[Stored]:
        """All that is stored below a prefix, such as `clean/1996-05`, in the order of names."""

    def folders(self, prefix: str = "") -> list[str]:
        """The names of the next parts below a prefix that hold something, in order."""

    def exists(self, name: str) -> bool:
        """Whether a name has content."""

    def read(self, name: str) -> bytes:
        """The content of a name.

        Raises:
            FileNotFoundError: There is none.
        """

    def sha256(self, name: str) -> str:
        """Hash of the content of a name.

        Raises:
            OSError: There is none, or it cannot be read.
        """

    def location(self, name: str) -> str:
        """What polars and pyarrow open to read a part of a file."""

    def keep(self, path: Path, name: str, sha256: str) -> None:
        """Move a local file in under a name that its content decides.

        What is there already stays, unless its content is another one, which is damage.
        """

    def create(self, name: str, content: bytes) -> bool:
        """Write a name whole if there is none yet; whether it was written."""

    def replace(self, name: str, content: bytes, before: bytes | None = None) -> bool:
        """Write a name whole in place of what is there; whether it was written.

        Args:
            name: The name.
            content: What it holds from now on.
            before: Write only if it holds this now.
        """

    def delete(self, name: str) -> None:
        """Remove a name, or all names below it; what is gone already is no error.

        Raises:
            ArtifactError: It cannot be removed.
        """

    def rename(self, name: str, new: str) -> None:
        """Give all that is stored below a name another one, unless that is taken meanwhile."""

    def set_aside(self, name: str) -> None:
        """Take something damaged out of use, and keep it for a person to look at."""

    def draft(self) -> Path:
        """A new empty folder on a local disk, to write files in that are then kept."""

    def lock_file(self, name: str) -> Path:
        """A local file, to be locked by the processes of this machine."""


@cache
def store_at(root: Path | str) -> Store:
    """The store at a root."""
    return LocalStore(Path(root))


@dataclass(frozen=True)
class LocalStore:
    """A folder of a file system."""

    folder: Path

    @property
    def root(self) -> str:
        """The folder."""
        return str(self.folder)

    def files(self, prefix: str = "") -> Iterator[Stored]:
        """All files below a prefix, links left out; a run may take some of them away meanwhile."""
        top = self.folder / prefix
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            with suppress(FileNotFoundError):
                stat = path.lstat()
                if path.is_file() and not path.is_symlink():
                    name = path.relative_to(self.folder).as_posix()
                    yield Stored(name, stat.st_size, stat.st_mtime)

    def folders(self, prefix: str = "") -> list[str]:
        """The folders in a folder, links and drafts left out."""
        try:
            found = sorted(os.scandir(self.folder / prefix), key=lambda entry: entry.name)
        except OSError:
            return []
        return [e.name for e in found if e.is_dir(follow_symlinks=False) and e.name[0] != "."]

    def exists(self, name: str) -> bool:
        """Whether there is a file."""
        return (self.folder / name).is_file()

    def read(self, name: str) -> bytes:
        """The content of a file."""
        return (self.folder / name).read_bytes()

    def sha256(self, name: str) -> str:
        """Hash of a file's content, computed once for as long as the file is not written to."""
        path = self.folder / name
        stat = path.stat()
        return _hashed(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def location(self, name: str) -> str:
        """The file's path."""
        return str(self.folder / name)

    def keep(self, path: Path, name: str, sha256: str) -> None:
        """Rename a file into its place."""
        target = self.folder / name
        if target.is_file() and self._holds(name, sha256):
            return
        while True:
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # another process found the folder empty
                path.replace(target)
                return

    def create(self, name: str, content: bytes) -> bool:
        """Link a whole file to its name, which fails if there is one."""
        with _drafted(self.folder / name, content) as draft:
            try:
                os.link(draft, self.folder / name)
            except FileExistsError:
                return False
        return True

    def replace(self, name: str, content: bytes, before: bytes | None = None) -> bool:
        """Rename a whole file over the one that is there, which is compared under a lock."""
        target = self.folder / name
        with _drafted(target, content) as draft:
            if before is None:
                draft.replace(target)
                return True
            with one_by_one(self.lock_file(CHANGES)):
                same = target.is_file() and target.read_bytes() == before
                if same:
                    draft.replace(target)
                return same

    def delete(self, name: str) -> None:
        """Remove a file or folder and the folders that it leaves empty; links are not followed."""
        path = self.folder / name
        try:
            if path.is_dir() and not path.is_symlink():
                self._delete_folder(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise ArtifactError(
                got=f"{path}, which cannot be removed: {error.strerror or error}",
                expected="the right to write below the root",
                fix="look at the owner of the files, then do it again: what is done stays done",
            ) from error
        self._drop_empty(path.parent)

    def rename(self, name: str, new: str) -> None:
        """Rename a folder."""
        with suppress(OSError):  # another process was first
            (self.folder / name).rename(self.folder / new)

    def set_aside(self, name: str) -> None:
        """Give a file a hidden name."""
        path = self.folder / name
        with suppress(FileNotFoundError):  # another process was first
            path.rename(path.with_name(f"{DAMAGED}{path.name}"))

    def draft(self) -> Path:
        """A folder at the root, so that files can be renamed into their place."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=DRAFT, dir=self.folder))

    def lock_file(self, name: str) -> Path:
        """A hidden file beside what it is named after."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _holds(self, name: str, sha256: str) -> bool:
        try:
            return self.sha256(name) == sha256
        except OSError:  # a disk that does not answer: the file is written again
            return False

    def _delete_folder(self, folder: Path) -> None:
        """Put a folder aside in one step, so that nobody reads it half removed, and remove it."""
        aside = self.draft()
        try:
            folder.rename(aside / folder.name)
        finally:
            shutil.rmtree(aside)

    def _drop_empty(self, folder: Path) -> None:
        while folder != self.folder and folder.is_relative_to(self.folder):
            with suppress(OSError):  # something is in it
                folder.rmdir()
            folder = folder.parent


def write_file(path: Path, content: bytes) -> None:
    """Write a file of the user's; readers, and a kill at any moment, find the old or the new."""
    with replacing(path) as draft:
        draft.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside one of the user's, which it replaces if the block ends without an error.

    Raises:
        ArtifactError: It cannot be written.
    """
    try:
        with _drafted(path, b"") as draft:
            yield draft
            draft.replace(path)
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


@lru_cache(maxsize=100_000)
def _hashed(path: Path, _inode: int, _size: int, _modified: int) -> str:
    return file_digest(path)
