"""Devices: which one `auto` means, and holding a GPU alone.

One run at a time holds a GPU. A lock of the kernel ends with a killed run, where one of a server
would last up to a minute longer.
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
from fusemine.tasks.core.storage.locks import acquire, lock_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS_BETWEEN_TRIES = 0.2
SECONDS_BETWEEN_REPORTS = 30.0
_SHOWN = 100
"""Characters of the holder's command that are shown."""


def resolve_device(device: str) -> str:
    """The device that `auto` means on this machine; others stay.

    Raises:
        ModelError: This machine does not have the device.
    """
    import torch

    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next((kind for kind, is_here in here.items() if is_here), "cpu")
    if not here.get(device.partition(":")[0], True):
        raise ModelError(
            got=f"embed.device {device!r}, but torch sees no such device here",
            expected="a device of this machine",
            fix="set embed.device to auto or cpu, or install a torch that has it",
        )
    return device


@contextmanager
def device_lock(device: str, report: Callable[[str], None]) -> Iterator[None]:
    """Hold a GPU alone; a CPU needs nothing.

    Args:
        device: `cpu`, `cuda`, `cuda:N` or `mps`.
        report: Called now and then with a message on who holds it, while the lock waits.

    Raises:
        SettingsError: The file of the lock cannot be used.
    """
    if device == "cpu":
        yield
        return
    path = _lock_path(device)
    with _opened(path) as file:
        _wait(file, path, device, report)
        _write_holder(file)
        yield


def _lock_path(device: str) -> Path:
    """The file that stands for a GPU.

    It is the same in processes that are shown different GPUs, as long as all of them name GPUs in
    one way in `CUDA_VISIBLE_DEVICES`: by their numbers, or by their UUIDs.
    """
    name, _, number = device.partition(":")
    if name == "cuda":
        shown, index = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(","), int(number or 0)
        visible = shown[index].strip() if index < len(shown) else ""
        name = f"cuda-{re.sub(r'[^0-9A-Za-z-]', '-', visible) or index}"
    folder = Path(os.environ.get("FUSEMINE_LOCK_DIR") or tempfile.gettempdir())
    return folder / f"fusemine-{name}.lock"


def _opened(path: Path) -> IO[bytes]:
    try:
        # All users of the machine share its GPUs. Many systems refuse O_CREAT on a file of
        # another user in the temporary folder, so only the first one creates it.
        with suppress(FileExistsError):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(handle, 0o666)
            os.close(handle)
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError as error:
        raise lock_error(path, error) from error
    return os.fdopen(handle, "r+b", buffering=0)


def _wait(file: IO[bytes], path: Path, device: str, report: Callable[[str], None]) -> None:
    reported = -SECONDS_BETWEEN_REPORTS
    while not acquire(file, fcntl.LOCK_EX | fcntl.LOCK_NB, path):
        if time.monotonic() - reported >= SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            report(f"waiting for {device}, which is in use by {_holder(file)}")
        time.sleep(SECONDS_BETWEEN_TRIES)


def _write_holder(file: IO[bytes]) -> None:
    """Write into the lock's file who holds it; on a full disk it is held without that."""
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    with suppress(OSError):
        file.truncate(0)
        file.seek(0)
        file.write(f"process {os.getpid()} ({command[:_SHOWN]})".encode(errors="replace"))


def _holder(file: IO[bytes]) -> str:
    """What the holder wrote; any user may have written anything."""
    file.seek(0)
    content = file.read(2 * _SHOWN).decode(errors="replace")
    shown = "".join(c if c.isprintable() else " " for c in content[: _SHOWN + 30])
    return shown.strip() or "a process that left no name"
