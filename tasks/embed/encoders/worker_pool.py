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
        self._folder = base / f"fusemine-embedding-{os.getuid()}"
        self._file: IO[Any] | None = None
        with suppress(OSError):  # without it the process only takes more than its share
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._file = (self._folder / str(os.getpid())).open("wb")
            fcntl.flock(self._file, fcntl.LOCK_SH)

    def processes(self) -> int:
        """How many processes compute, this one among them; forgets those that have ended."""
        if self._file is None:
            return 1
        others = [path for path in self._folder.iterdir() if path.name != str(os.getpid())]
        return 1 + sum(map(_is_alive, others))

    def end(self) -> None:
        """Show that this process computes no more."""
        if self._file is not None:
            with suppress(OSError):
                Path(self._file.name).unlink()
            self._file.close()


def _is_alive(path: Path) -> bool:
    """Whether the process that a file stands for holds its lock."""
    with suppress(OSError, SettingsError), path.open("rb") as file:
        if not acquire(file, fcntl.LOCK_EX | fcntl.LOCK_NB, path):
            return True
        path.unlink()
    return False
