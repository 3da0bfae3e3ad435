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
from pathlib import Path
from stat import S_IMODE, S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.core.storage.locks import file_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAFT = ".draft-"
"""Prefix of the name of what is still being written."""
DAMAGED = ".damaged-"
"""Prefix of the name of what was set aside."""
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

    Nothing else touches paths below a root, so that a store of objects can take its place.
    """

    folder: Path

    @property
    def root(self) -> str:
        """Where it is."""
        return str(self.folder)

    def files(self, prefix: str = "") -> Iterator[FileInfo]:
        """All files below a prefix, such as `clean/1996-05`, in the order of names; no links.

        Draft folders that a kill has left without files are among them.
        """
        top = self.folder / prefix
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            with suppress(FileNotFoundError):  # a run took it away meanwhile
                stat, name = path.lstat(), path.relative_to(self.folder).as_posix()
                is_draft = S_ISDIR(stat.st_mode) and path.name.startswith(DRAFT)
                if S_ISREG(stat.st_mode):
                    yield FileInfo(name, stat.st_size, stat.st_mtime)
                elif is_draft and all(below.is_dir() for below in path.rglob("*")):
                    yield FileInfo(name, 0, stat.st_mtime)

    def folders(self, prefix: str = "") -> list[str]:
        """The names of the next parts below a prefix that hold something, in order; no drafts."""
        try:
            found = sorted(os.scandir(self.folder / prefix), key=lambda entry: entry.name)
        except OSError:
            return []
        return [e.name for e in found if e.is_dir(follow_symlinks=False) and e.name[0] != "."]

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return (self.folder / name).is_file()

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: There is none.
        """
        return (self.folder / name).read_bytes()

    def sha256(self, name: str) -> str:
        """Hash of a file's content, computed once for as long as the file is not written to.

        Raises:
            OSError: There is no such file, or it cannot be read.
        """
        path = self.folder / name
        stat = path.stat()
        return _hashed(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def location(self, name: str) -> str:
        """What polars and pyarrow open to read a part of a file."""
        return str(self.folder / name)

    def add_file(self, path: Path, name: str, sha256: str) -> None:
        """Move a local file in under a name that its content decides.

        A file of that name stays, unless its content is another one, which is damage.

        Raises:
            FileNotFoundError: The local file is gone.
        """
        with suppress(OSError):  # there is none, or a disk does not answer: it is written
            if self.sha256(name) == sha256:
                return
        target = self.folder / name
        while True:
            path.stat()  # an error where it is gone, and no reason to try again
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # another process found the folder empty
                path.replace(target)
                return

    def create(self, name: str, content: bytes) -> bool:
        """Write a whole file if there is none of this name; whether it was written."""
        with _drafted(self.folder / name, content) as draft:
            try:
                os.link(draft, self.folder / name)  # which fails if there is one
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
        target = self.folder / name
        with _drafted(target, content) as draft:
            if before is None:
                draft.replace(target)
                return True
            with file_lock(self.folder / CHANGES):
                same = target.is_file() and target.read_bytes() == before
                if same:
                    draft.replace(target)
                return same

    def delete(self, name: str) -> None:
        """Remove a file, or all below a name; what is gone already is no error.

        Links are not followed, and folders that become empty go too.

        Raises:
            ArtifactError: It cannot be removed.
        """
        path = self.folder / name
        try:
            if path.is_dir() and not path.is_symlink():
                # Moved away in one step first, so that nobody reads it half removed.
                with self.draft_folder() as folder:
                    path.rename(folder / path.name)
                    shutil.rmtree(folder)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise ArtifactError(
                got=f"{path}, which cannot be removed: {error.strerror or error}",
                expected="the right to write below the root",
                fix="look at the owner of the files, then do it again: what is done stays done",
            ) from error
        for parent in path.relative_to(self.folder).parents[:-1]:
            with suppress(OSError):  # something is in it
                (self.folder / parent).rmdir()

    def rename(self, name: str, new: str) -> None:
        """Give all that is stored below a name another one, unless that is taken meanwhile."""
        with suppress(OSError):  # another process was first
            (self.folder / name).rename(self.folder / new)

    def set_aside(self, name: str) -> None:
        """Take a damaged file out of use, and keep it for a person to look at."""
        path = self.folder / name
        with suppress(FileNotFoundError):  # another process was first
            path.rename(path.with_name(f"{DAMAGED}{path.name}"))

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
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@cache
def store_at(root: Path | str) -> Store:
    """The store at a root."""
    return Store(Path(root))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside one of the user's, which it replaces if the block ends without an error.

    Readers, and a kill at any moment, find either the old file or the new one.

    Raises:
        ArtifactError: It cannot be written.
    """
    try:
        with _drafted(path, b"") as draft:
            yield draft
            if path.exists():
                draft.chmod(S_IMODE(path.stat().st_mode))
            with draft.open("rb") as file:
                os.fsync(file.fileno())  # the name must not be on the disk before the content
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
