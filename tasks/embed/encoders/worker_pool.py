"""Computing batches on the cores of a machine, shared with other processes that do the same."""

from __future__ import annotations

import fcntl
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import torch

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.storage.locks import acquire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerPool:
    """Threads that compute one batch each.

    On the CPU torch computes each batch with one thread: threads that share a batch wait for each
    other, and their number would change the last bits of some results. Processes that embed on
    one machine at the same time divide its cores among them. A GPU takes one batch at a time.

    Args:
        device: A resolved device.

    Attributes:
        size: How many batches are computed at a time.
    """

    def __init__(self, device: str) -> None:
        self.size = 1
        self._on_cpu = device == "cpu"

    def __enter__(self) -> WorkerPool:
        if self._on_cpu:
            self._threads = torch.get_num_threads()
            self._presence = Presence()
            self.size = max(1, self._threads // self._presence.processes())
            self._pool = ThreadPoolExecutor(self.size, "embed", torch.set_num_threads, (1,))
        return self

    def map(self, compute: Callable[[Item], Result], batches: Iterable[Item]) -> Iterator[Result]:
        """The results in the order of the batches, each as soon as it is its turn."""
        return self._pool.map(compute, batches) if self._on_cpu else map(compute, batches)

    def __exit__(self, *_: object) -> None:
        if self._on_cpu:
            self._pool.shutdown(cancel_futures=True)
            self._presence.end()
            torch.set_num_threads(self._threads)


class Presence:
    """Shows other processes of this user that this one computes, for as long as it lives."""

    def __init__(self) -> None:
        base = Path(os.environ.get("FUSEMINE_LOCK_DIR") or tempfile.gettempdir())
        self._file: IO[Any] | None = None
        with suppress(OSError):  # without it the process only takes more than its share
            self._folder = _own_folder(base / f"fusemine-embedding-{os.getuid()}")
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
            handle = os.open(str(os.getpid()), flags, 0o600, dir_fd=self._folder)
            self._file = os.fdopen(handle, "wb")
            fcntl.flock(self._file, fcntl.LOCK_SH)

    def processes(self) -> int:
        """How many processes compute, this one among them; forgets those that have ended."""
        if self._file is None:
            return 1
        others = [entry.name for entry in os.scandir(self._folder) if entry.name.isdigit()]
        return 1 + sum(_is_alive(n, self._folder) for n in others if n != str(os.getpid()))

    def end(self) -> None:
        """Show that this process computes no more."""
        if self._file is not None:
            with suppress(OSError):
                os.unlink(str(os.getpid()), dir_fd=self._folder)
            os.close(self._folder)
            self._file.close()


def _own_folder(path: Path) -> int:
    """An open folder of this user's.

    In a temporary folder anybody may have put something else under this name, such as a link to a
    folder whose files would then be taken for those of processes that have ended.

    Raises:
        OSError: There is something else.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if os.fstat(handle).st_uid != os.getuid():
        os.close(handle)
        raise PermissionError(path)
    return handle


def _is_alive(name: str, folder: int) -> bool:
    """Whether the process that a file stands for holds its lock."""
    with suppress(OSError, SettingsError):
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(handle, "rb") as file:
            if not acquire(file, fcntl.LOCK_EX | fcntl.LOCK_NB, Path(name)):
                return True
            os.unlink(name, dir_fd=folder)
    return False
