"""Which process a flow run is in, so that its death is seen even if nobody was there to see it."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemine.flows.server.errors import shown

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow


BEGINS_WITHIN = timedelta(minutes=2)
"""A run that a worker has taken begins within this, or the worker is gone."""


def note_process(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001
    """Write this process down on its run; a hook of flows."""
    shown(lambda: _note(flow_run))


def _note(run: FlowRun) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.update_flow_run(run.id, infrastructure_pid=_mark(os.getpid()))


def is_gone(run: FlowRun) -> bool:
    """Whether the process of a run was on this machine, and is no more.

    Where there is no /proc, and for processes of other machines, nothing can be said.
    """
    host, _, process = (run.infrastructure_pid or "").partition("/")
    pid = process.partition("/")[0]
    if host != socket.gethostname() or not pid.isdigit() or not Path("/proc/self/stat").exists():
        return False
    return _mark(int(pid)) != run.infrastructure_pid


def has_not_begun(run: FlowRun) -> bool:
    """Whether a worker has taken a run and not begun it since, because it was lost in between."""
    from prefect.client.schemas.objects import StateType

    state = run.state
    if state is None or state.type is not StateType.PENDING:
        return False
    return datetime.now(UTC) - state.timestamp > BEGINS_WITHIN


def _mark(pid: int) -> str:
    """A process and the moment of its start, because numbers of processes come again."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        started = stat.rpartition(")")[2].split()[19]
    except OSError:
        started = "unknown"
    return f"{socket.gethostname()}/{pid}/{started}"
