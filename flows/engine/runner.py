"""Where a stage computes: it gets references and gives references, so that nothing else knows."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from typing import TYPE_CHECKING, Any, Protocol

from prefect import get_run_logger

from fusemine.tasks.core.errors import StageError
from fusemine.tasks.core.inputs import execute
from fusemine.tasks.core.task import run_task
from fusemine.tasks.graph import GRAPH

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

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
        get_run_logger().log(level, text, *values)

    def run(
        self, request: Request, progress: Progress, found: ArtifactRef | None = None
    ) -> ArtifactRef:
        """Compute a result, or only show it where it is complete."""
        return run_task(request, GRAPH, progress, found, self._compute)


def in_new_process(request: Request, _: Graph, progress: Progress, log: Log) -> ArtifactRef:
    """Compute a request in a new process, passing on what it reports.

    Threads of one process would share the numbers of threads that BLAS and torch are set to, and
    a sum's last bits depend on them; a process has them for itself.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_serve, args=(there, request), daemon=True)
    child.start()
    there.close()
    try:
        return _listen(here, request, {"progress": progress, "log": log})
    finally:
        child.terminate()
        child.join()
        here.close()


def _listen(here: Connection, request: Request, heard: dict[str, Any]) -> ArtifactRef:
    while True:
        try:
            kind, content = here.recv()
        except EOFError as error:
            raise StageError(
                got=f"{request.job.stage} of {request.job.partition}, whose process was ended",
                expected="the process to compute its result",
                fix="see whether the machine has too little memory, then run again",
            ) from error
        if kind == "made":
            made: ArtifactRef = content
            return made
        if kind == "failed":
            raise content
        heard[kind](*content)


def _serve(there: Connection, request: Request) -> None:
    """What the new process does; it ends with the one that started it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        progress, log = (_sender(there, kind) for kind in ("progress", "log"))
        there.send(("made", execute(request, GRAPH, progress, log)))
    except Exception as error:
        there.send(("failed", _picklable(error)))


def _sender(there: Connection, kind: str) -> Any:
    return lambda *content: there.send((kind, content))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _picklable(error: Exception) -> Exception:
    try:
        pickle.dumps(error)
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
