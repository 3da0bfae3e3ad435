"""Locks that the kernel frees when their holder ends, however it ends.

A run holds its root shared; what removes artifacts holds it alone.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fusemine.tasks.core.errors import ArtifactError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = ".lock"


@contextmanager
def shared(root: Path) -> Iterator[None]:
    """Keep the artifacts below a root from being removed; any number of runs may do so.

    Waits for one that has the root alone.

    Raises:
        SettingsError: Nothing can be written below the root.
    """
    with _opened(root / LOCK) as file:
        flock(file, fcntl.LOCK_SH, root)
        yield


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Have a root alone, to remove from it.

    Raises:
        ArtifactError: A run is going on.
        SettingsError: Nothing can be written below the root.
    """
    with _opened(root / LOCK) as file:
        if not flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, root):
            raise ArtifactError(
                got=f"a run that is going on below {root}",
                expected="no run, because it may read what would be removed",
                fix="wait until it has ended, then try again",
            )
        yield


@contextmanager
def one_by_one(lock: Path) -> Iterator[None]:
    """Hold a file alone for a moment; waits for whoever has it.

    Raises:
        SettingsError: Nothing can be written there.
    """
    with _opened(lock) as file:
        flock(file, fcntl.LOCK_EX, lock)
        yield


def flock(file: IO[bytes], operation: int, path: Path) -> bool:
    """Whether the lock was got."""
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        return False
    except OSError as error:
        raise no_lock(path, error) from error
    return True


def _opened(lock: Path) -> IO[bytes]:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return lock.open("ab")
    except OSError as error:
        raise SettingsError(
            got=f"root {lock.parent}, where nothing can be written: {error.strerror or error}",
            expected="a folder that this user can write to",
            fix="free some space, or set root in the pipeline.yaml to another folder",
        ) from error


def no_lock(path: Path, error: OSError) -> SettingsError:
    return SettingsError(
        got=f"{path} cannot be locked: {error.strerror or error}",
        expected="a file on a disk that has locks, which this user can write to",
        fix="set root in the pipeline.yaml, or FUSEMINE_LOCK_DIR for a GPU, to another folder",
    )
