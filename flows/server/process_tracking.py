"""Which process a flow run is in, so that a run whose process died is found later."""

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
"""A run that a worker has accepted begins within this time, or the worker is gone."""


def record_process(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001
    """Record this process on its run; a hook of flows."""
    shown(lambda: _record(flow_run))


def _record(run: FlowRun) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.update_flow_run(run.id, infrastructure_pid=process_mark(os.getpid()))


def process_mark(pid: int) -> str:
    """A process by machine, number and start: the number alone may be used again."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        started = stat.rpartition(")")[2].split()[19]
    except OSError:
        started = "unknown"
    return f"{socket.gethostname()}/{pid}/{started}"


def is_gone(run: FlowRun) -> bool:
    """Whether the process of a run was on this machine, and is no more.

    Without /proc, and for processes of other machines, this is not known: False.
    """
    host, _, process = (run.infrastructure_pid or "").partition("/")
    pid = process.partition("/")[0]
    if host != socket.gethostname() or not pid.isdigit() or not Path("/proc/self/stat").exists():
        return False
    return process_mark(int(pid)) != run.infrastructure_pid


def has_not_begun(run: FlowRun) -> bool:
    """Whether a worker has accepted a run and never began it, because it died in between."""
    from prefect.client.schemas.objects import StateType

    state = run.state
    if state is None or state.type is not StateType.PENDING:
        return False
    return datetime.now(UTC) - state.timestamp > BEGINS_WITHIN
