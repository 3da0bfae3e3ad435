"""Locks that the kernel frees when their holder ends, however it ends.

A run holds its root shared; what removes artifacts holds it alone. A GPU is held by one run at a
time: a lease of a server would outlive a killed run by up to a minute, this lock does not.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tasks.errors import ArtifactError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK = ".lock"
SECONDS_BETWEEN_TRIES = 0.2
SAID_AGAIN_AFTER = 30.0


@contextmanager
def shared(root: Path) -> Iterator[None]:
    """Keep the artifacts below a root from being removed; any number of runs may do so.

    Raises:
        SettingsError: Nothing can be written below the root.
    """
    with _opened(root) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Have a root alone, to remove from it.

    Raises:
        ArtifactError: A run is going on.
        SettingsError: Nothing can be written below the root.
    """
    with _opened(root) as file:
        if not _taken(file):
            raise ArtifactError(
                got=f"a run that is going on below {root}",
                expected="no run, because it may read what would be removed",
                fix="wait until it has ended, then try again",
            )
        yield


@contextmanager
def device_lock(device: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold a GPU alone; a CPU needs nothing.

    Args:
        device: `cpu`, `cuda`, `cuda:N` or `mps`.
        waiting: Told, now and then, whom the lock waits for.
    """
    if device == "cpu":
        yield
        return
    with _device_file(device) as file:
        _wait(file, device, waiting)
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _device_file(device: str) -> IO[str]:
    name = "cuda-0" if device == "cuda" else device.replace(":", "-")
    folder = Path(os.environ.get("FUSEMINE_LOCK_DIR") or tempfile.gettempdir())
    path = folder / f"fusemine-{name}.lock"
    # All users of the machine share its GPUs.
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if os.fstat(handle).st_uid == os.getuid():
        os.fchmod(handle, 0o666)
    return os.fdopen(handle, "r+", encoding="utf-8", errors="replace")


def _wait(file: IO[str], device: str, waiting: Callable[[str], None]) -> None:
    said = -SAID_AGAIN_AFTER
    while not _taken(file):
        if time.monotonic() - said >= SAID_AGAIN_AFTER:
            said = time.monotonic()
            file.seek(0)
            holder = "".join(c for c in file.read(12) if c.isdigit())
            waiting(f"waiting for {device}, which process {holder or 'unknown'} uses")
        time.sleep(SECONDS_BETWEEN_TRIES)


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(root: Path) -> IO[str]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        return (root / LOCK).open("a", encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            got=f"root {root}, where nothing can be written: {error.strerror or error}",
            expected="a folder that this user can write to",
            fix="free some space, or set root in the pipeline.yaml to another folder",
        ) from error
