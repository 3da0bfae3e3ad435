"""Where a stage computes: it gets references and gives references, so that nothing else knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fusemine.flows.engine.child import in_new_process, stall_seconds
from fusemine.flows.server.publishing import log_line, withholds
from fusemine.tasks.core.inputs import execute
from fusemine.tasks.core.memory import is_tight
from fusemine.tasks.core.task import run_task
from fusemine.tasks.graph import GRAPH

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Progress
    from fusemine.tasks.core.request import Request
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
        compute: How; by default in this process, or where a stage may have to be ended, or may
            die of too little memory, in a process of its own.
    """

    def __init__(self, compute: Compute | None = None) -> None:
        apart = stall_seconds() is not None or is_tight()
        self._compute = compute or (in_new_process if apart else execute)

    def log(self, level: int, text: str, *values: object) -> None:
        """Write a line to the log of the flow run."""
        log_line(text % values if values else text, level)

    def run(
        self, request: Request, progress: Progress, found: ArtifactRef | None = None
    ) -> ArtifactRef:
        """Compute a result, or only show it where it is complete."""
        return run_task(request, GRAPH, progress, found, self._compute, withhold=withholds())
