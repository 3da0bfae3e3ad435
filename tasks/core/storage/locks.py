"""Locks that the kernel frees when their holder ends, however it ends.

A run holds its root shared; what removes artifacts holds it alone.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from fusemine.tasks.core.errors import ArtifactError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = ".lock"


@contextmanager
def shared(root: Path) -> Iterator[None]:
    """Keep the artifacts below a root from being removed; any number of runs may do so.

    Waits while another process holds the root alone.

    Raises:
        SettingsError: Nothing can be written below the root.
    """
    with _opened(root / LOCK) as file:
        acquire(file, fcntl.LOCK_SH, root)
        yield


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold a root alone, to remove from it.

    Raises:
        ArtifactError: A run is going on.
        SettingsError: Nothing can be written below the root.
    """
    with _opened(root / LOCK) as file:
        if not acquire(file, fcntl.LOCK_EX | fcntl.LOCK_NB, root):
            raise ArtifactError(
                got=f"a run that is going on below {root}",
                expected="no run, because it may read what would be removed",
                fix="wait until it has ended, then try again",
            )
        yield


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a file alone for a moment; waits for whoever holds it.

    Raises:
        SettingsError: Nothing can be written there.
    """
    with _opened(path) as file:
        acquire(file, fcntl.LOCK_EX, path)
        yield


def acquire(file: IO[bytes], operation: int, path: Path) -> bool:
    """Lock an open file; False if the operation does not wait and another process holds it.

    Args:
        file: The file; closing it frees the lock.
        operation: Of `fcntl.flock`.
        path: What an error names.

    Raises:
        SettingsError: The file cannot be locked.
    """
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        return False
    except OSError as error:
        raise lock_error(path, error) from error
    return True


def lock_error(path: Path, error: OSError) -> SettingsError:
    """The error of a file that cannot be locked."""
    return SettingsError(
        got=f"{path} cannot be locked: {error.strerror or error}",
        expected="a file on a disk that has locks, which this user can write to",
        fix="set root in the pipeline.yaml, or FUSEMINE_LOCK_DIR for a GPU, to another folder",
    )


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
