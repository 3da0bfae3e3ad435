"""A stage in a process of its own, which may be ended, or die, without taking its run along."""

from __future__ import annotations

import logging
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.errors import FusemineError, SettingsError, StageError
from fusemine.tasks.core.inputs import execute
from fusemine.tasks.core.memory import is_panic
from fusemine.tasks.graph import GRAPH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.tasks.core.inputs import Log, Progress
    from fusemine.tasks.core.request import Request
    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.core.storage.artifact import ArtifactRef

STALL = "FUSEMINE_STALL_SECONDS"
"""Environment variable: a stage that reports no progress for so long is ended."""
REAP_SECONDS = 10.0
_LOG = logging.getLogger("fusemine")
# What becomes of a process whose library gets no memory, besides being killed for it.
_OF_MEMORY = (signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS)


def stall_seconds() -> float | None:
    """Seconds without progress after which a stage is ended; None where it may take its time.

    Raises:
        SettingsError: The environment says something else than a number.
    """
    text = os.environ.get(STALL, "")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise SettingsError(
            got=f"{STALL} is {text!r}",
            expected="a number of seconds above 0",
            fix="correct it, or unset it so that stages take their time",
        )
    return seconds


class _Child:
    """The process of one result, and what leads it: all that it starts is in its group."""

    def __init__(self, request: Request) -> None:
        self._what = f"{request.job.stage} of {request.job.partition}"
        path = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
        self.process = subprocess.Popen(  # noqa: S603  (this module)
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            process_group=0,
        )
        self._heard = time.monotonic()
        self._stalled: float | None = None

    def listen(self, request: Request, heard: dict[str, Any]) -> ArtifactRef:
        """Pass on what the process reports until its result comes, or raise its error.

        Raises:
            StageError: The process was ended, from outside or because it reported no progress.
        """
        try:
            assert self.process.stdin is not None  # noqa: S101  (a pipe)
            pickle.dump(request, self.process.stdin)
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error
        while True:
            kind, content = self._message()
            self._heard = time.monotonic()
            if kind == "failed":
                failure, cause = content
                raise failure from cause
            if kind == "made":
                made: ArtifactRef = content[0]
                return made
            heard[kind](*content)

    def _message(self) -> tuple[str, Any]:
        assert self.process.stdout is not None  # noqa: S101  (a pipe)
        try:
            message: tuple[str, Any] = pickle.load(self.process.stdout)  # noqa: S301  (our own)
        except (EOFError, pickle.UnpicklingError) as error:
            raise self._ended() from error
        return message

    @contextmanager
    def watched(self, seconds: float | None) -> Iterator[None]:
        """End the process if it reports nothing for so long within the block."""
        done = threading.Event()

        def watch(most: float) -> None:
            while not done.wait(max(0.0, self._heard + most - time.monotonic())):
                if time.monotonic() - self._heard >= most:
                    self._stalled = most
                    self.kill()
                    return

        if seconds is not None:
            threading.Thread(target=watch, args=(seconds,), daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def kill(self) -> None:
        """End the process and all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End what is left, and free its pipes."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # what was not sent needs not be any more
                assert pipe is not None  # noqa: S101
                pipe.close()
        self.process.wait()

    def _ended(self) -> StageError:
        """Why the process has ended without a result."""
        if self._stalled is not None:
            return StageError(
                got=f"{self._what} reported no progress for {self._stalled:g} s and was ended",
                expected=f"progress within the time that --stall or {STALL} sets",
                fix="see what the stage waits for, or allow more time; then run again: what is "
                "complete is reused",
            )
        return StageError(
            got=f"{self._what}, whose process was ended{self._how()}",
            expected="the process to compute its result",
            fix="see that the machine, or the container, has memory for it: free some, raise the "
            "limit, or mine a shorter window; then run again: what is complete is reused",
        )

    def _how(self) -> str:
        try:
            code = self.process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return ""
        if code >= 0:
            return f" with status {code}"
        number = -code
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        likely = ", most likely for lack of memory" if number in _OF_MEMORY else ""
        return f" by {name}{likely}"


def in_new_process(request: Request, _: Graph, progress: Progress, log: Log) -> ArtifactRef:
    """Compute a request in a new process, passing on what it reports.

    Threads of one process would share the numbers of threads that BLAS and torch are set to, and
    a sum's last bits depend on them; a process has them for itself. It is no child of
    `multiprocessing`, which would run the caller's script once more.

    Raises:
        StageError: The process was ended, from outside or because it reported no progress.
    """
    heard = {"progress": progress, "log": log, "warning": _LOG.warning}
    child = _Child(request)
    try:
        with child.watched(stall_seconds()):
            return child.listen(request, heard)
    finally:
        child.close()


class _Forwarded(logging.Handler):
    """Sends what is logged to the process that shows it."""

    def __init__(self, send: Any) -> None:
        super().__init__(logging.WARNING)
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        self._send("warning", "%s", record.getMessage())


def _serve() -> None:
    """What the new process does; it ends with the one that started it."""
    out, lock = os.fdopen(os.dup(1), "wb"), threading.Lock()
    os.dup2(2, 1)  # what is printed must not get between the messages

    def send(kind: str, *content: object) -> None:
        with lock:
            pickle.dump((kind, content), out)
            out.flush()

    request = pickle.load(sys.stdin.buffer)  # noqa: S301  (from the process that started this one)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _LOG.addHandler(_Forwarded(send))
    _LOG.propagate = False
    try:
        made = execute(request, GRAPH, partial(send, "progress"), partial(send, "log"))
        send("made", made)
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        cause = error.__cause__  # a disk or a network, perhaps: then another attempt may help
        send("failed", _portable(error), cause and _portable(cause))


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing more is sent, so this waits for the end of the pipe
    os.killpg(0, signal.SIGKILL)


def _portable(error: BaseException) -> BaseException:
    """The error as another process can load it, with the place where it was raised."""
    if not isinstance(error, FusemineError):
        error.add_note(traceback.format_exc())
    try:
        loaded = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes)
    except Exception:
        loaded = None
    return (
        error if isinstance(loaded, Exception) else RuntimeError(f"{type(error).__name__}: {error}")
    )


if __name__ == "__main__":
    _serve()
