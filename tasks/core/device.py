"""Devices: which one `auto` means, and holding a GPU alone.

A GPU is held by one run at a time: a lease of a server would outlive a killed run by up to a minute,
a lock of the kernel does not.
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

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.locks import flock, no_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS_BETWEEN_TRIES = 0.2
SAID_AGAIN_AFTER = 30.0
_SHOWN = 100


def resolve_device(device: str) -> str:
    """The device that `auto` means on this machine; others stay.

    Raises:
        ModelError: The device is not here.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    here = {"cpu": True, "cuda": torch.cuda.is_available()}
    here["mps"] = torch.backends.mps.is_available()
    if not here[device.partition(":")[0]]:
        raise ModelError(
            got=f"embed.device {device!r}, but torch sees no such device here",
            expected="a device of this machine",
            fix="set embed.device to auto or cpu, or install a torch that has it",
        )
    return device


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
        raise no_lock(path, error) from error
    return os.fdopen(handle, "r+b", buffering=0)


def _wait(file: IO[bytes], path: Path, device: str, waiting: Callable[[str], None]) -> None:
    said = -SAID_AGAIN_AFTER
    while not flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, path):
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
