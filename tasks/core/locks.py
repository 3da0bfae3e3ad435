"""Locks that the kernel frees when their holder ends, however it ends.

A run holds its root shared; what removes artifacts holds it alone. A GPU is held by one run at a
time: a lease of a server would outlive a killed run by up to a minute, this lock does not.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fusemine.tasks.core.errors import ArtifactError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK = ".lock"
SECONDS_BETWEEN_TRIES = 0.2
SAID_AGAIN_AFTER = 30.0
_SHOWN = 100


@contextmanager
def shared(root: Path) -> Iterator[None]:
    """Keep the artifacts below a root from being removed; any number of runs may do so.

    Waits for one that has the root alone.

    Raises:
        SettingsError: Nothing can be written below the root.
    """
    with _opened(root) as file:
        _flock(file, fcntl.LOCK_SH, root)
        yield


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Have a root alone, to remove from it.

    Raises:
        ArtifactError: A run is going on.
        SettingsError: Nothing can be written below the root.
    """
    with _opened(root) as file:
        if not _flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, root):
            raise ArtifactError(
                got=f"a run that is going on below {root}",
                expected="no run, because it may read what would be removed",
                fix="wait until it has ended, then try again",
            )
        yield


@contextmanager
def one_by_one(folder: Path) -> Iterator[None]:
    """Hold a folder alone for a moment, to change a file in it; waits for whoever has it.

    Raises:
        SettingsError: Nothing can be written there.
    """
    with _opened(folder) as file:
        _flock(file, fcntl.LOCK_EX, folder)
        yield


@contextmanager
def device_lock(device: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold a GPU alone; a CPU needs nothing.

    Args:
        device: `cpu`, `cuda`, `cuda:N` or `mps`.
        waiting: Told, now and then, whom the lock waits for.

    Raises:
        SettingsError: The file of the lock cannot be used.
    """
    if device == "cpu":
        yield
        return
    path = _device_path(device)
    with _device_file(path) as file:
        _wait(file, path, device, waiting)
        _sign(file)
        yield


def _device_path(device: str) -> Path:
    folder = Path(os.environ.get("FUSEMINE_LOCK_DIR") or tempfile.gettempdir())
    return folder / f"fusemine-{_gpu(device)}.lock"


def _gpu(device: str) -> str:
    """The name of a GPU, the same in processes that are shown different ones."""
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return kind
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    index = int(number or 0)
    name = shown[index].strip() if index < len(shown) else ""
    return f"cuda-{re.sub(r'[^0-9A-Za-z-]', '-', name) or index}"


def _device_file(path: Path) -> IO[bytes]:
    try:
        # All users of the machine share its GPUs. Many systems refuse O_CREAT on a file of
        # another user in the temporary folder, so it is created by the first one only.
        with suppress(FileExistsError):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(handle, 0o666)
            os.close(handle)
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError as error:
        raise _no_lock(path, error) from error
    return os.fdopen(handle, "r+b", buffering=0)


def _wait(file: IO[bytes], path: Path, device: str, waiting: Callable[[str], None]) -> None:
    said = -SAID_AGAIN_AFTER
    while not _flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, path):
        if time.monotonic() - said >= SAID_AGAIN_AFTER:
            said = time.monotonic()
            waiting(f"waiting for {device}, which is in use by {_holder(file)}")
        time.sleep(SECONDS_BETWEEN_TRIES)


def _sign(file: IO[bytes]) -> None:
    """Say who holds the lock; on a full disk it is held without a word."""
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    with suppress(OSError):
        file.truncate(0)
        file.seek(0)
        file.write(f"process {os.getpid()} ({command[:_SHOWN]})".encode(errors="replace"))


def _holder(file: IO[bytes]) -> str:
    """What the holder wrote; anyone may have written anything."""
    file.seek(0)
    content = file.read(2 * _SHOWN).decode(errors="replace")
    said = "".join(c if c.isprintable() else " " for c in content[: _SHOWN + 30])
    return said.strip() or "a process that did not say its name"


def _flock(file: IO[bytes], operation: int, path: Path) -> bool:
    """Whether the lock was got."""
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        return False
    except OSError as error:
        raise _no_lock(path, error) from error
    return True


def _opened(root: Path) -> IO[bytes]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        return (root / LOCK).open("ab")
    except OSError as error:
        raise SettingsError(
            got=f"root {root}, where nothing can be written: {error.strerror or error}",
            expected="a folder that this user can write to",
            fix="free some space, or set root in the pipeline.yaml to another folder",
        ) from error


def _no_lock(path: Path, error: OSError) -> SettingsError:
    return SettingsError(
        got=f"{path} cannot be locked: {error.strerror or error}",
        expected="a file on a disk that has locks, which this user can write to",
        fix="set root in the pipeline.yaml, or FUSEMINE_LOCK_DIR for a GPU, to another folder",
    )
