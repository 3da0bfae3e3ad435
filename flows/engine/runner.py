"""Where a stage computes: it gets references and gives references, so that nothing else knows."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import traceback
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, TYPE_CHECKING, Any, Protocol

from fusemine.flows.server.publishing import log_line, withholds
from fusemine.tasks.core.errors import FusemineError, StageError
from fusemine.tasks.core.inputs import execute
from fusemine.tasks.core.task import run_task
from fusemine.tasks.graph import GRAPH

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Log, Progress
    from fusemine.tasks.core.request import Request
    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.core.task import Compute


class Runner(Protocol):
    """Computes results."""

    def run(
        self, request: Request, progress: Progress, found: ArtifactRef | None = None
    ) -> ArtifactRef:
        """Compute a result in a Prefect task.

        Args:
            request: The result.
            progress: Receives how far it is.
            found: The result, if it is complete already; the task then only shows it.
        """

    def log(self, level: int, text: str, *values: object) -> None:
        """Write a line to the log of the run."""


class LocalRunner:
    """Computes in a Prefect task of this thread.

    Args:
        compute: How; `in_new_process` so that several results can be computed at once.
    """

    def __init__(self, compute: Compute = execute) -> None:
        self._compute = compute

    def log(self, level: int, text: str, *values: object) -> None:
        """Write a line to the log of the flow run."""
        log_line(text % values if values else text, level)

    def run(
        self, request: Request, progress: Progress, found: ArtifactRef | None = None
    ) -> ArtifactRef:
        """Compute a result, or only show it where it is complete."""
        return run_task(request, GRAPH, progress, found, self._compute, withhold=withholds())


def in_new_process(request: Request, _: Graph, progress: Progress, log: Log) -> ArtifactRef:
    """Compute a request in a new process, passing on what it reports.

    Threads of one process would share the numbers of threads that BLAS and torch are set to, and
    a sum's last bits depend on them; a process has them for itself. It is no child of
    `multiprocessing`, which would run the caller's script once more.
    """
    heard = {"progress": progress, "log": log}
    path = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    command = [sys.executable, "-P", "-m", __name__]
    with Popen(  # noqa: S603  (this module)
        command, stdin=PIPE, stdout=PIPE, env={**os.environ, "PYTHONPATH": path}
    ) as child:
        assert child.stdin is not None  # noqa: S101  (a pipe)
        assert child.stdout is not None  # noqa: S101
        try:
            pickle.dump(request, child.stdin)
            child.stdin.flush()
            return _listen(child.stdout, heard)
        except (EOFError, BrokenPipeError) as error:
            raise StageError(
                got=f"{request.job.stage} of {request.job.partition}, whose process was ended",
                expected="the process to compute its result",
                fix="see whether the machine has too little memory, then run again",
            ) from error
        finally:
            child.kill()


def _listen(stream: IO[bytes], heard: dict[str, Any]) -> ArtifactRef:
    while True:
        kind, content = pickle.load(stream)  # noqa: S301  (from the process that was just started)
        if kind == "failed":
            raise content[0]
        if kind == "made":
            made: ArtifactRef = content[0]
            return made
        heard[kind](*content)


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
    try:
        made = execute(request, GRAPH, partial(send, "progress"), partial(send, "log"))
        send("made", made)
    except Exception as error:
        send("failed", _portable(error))


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing more is sent, so this waits for the end of the pipe
    os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error as another process can load it, with the place where it was raised."""
    if not isinstance(error, FusemineError):
        error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes)
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    _serve()
