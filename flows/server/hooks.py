"""Hooks of flows: which process a run is in, so that one that died is found, and alerts.

A run sends its alert itself: the server's automations may miss one.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from fusemine.flows.server.errors import shown
from fusemine.flows.server.temporary import is_temporary

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow, FlowStateHook

BEGINS_WITHIN = timedelta(minutes=2)
"""A run that a worker has accepted begins within this time, or the worker is gone."""
URL = "FUSEMINE_ALERT_URL"
"""Environment variable with the address to post to; it is a secret."""
LONGEST = 500
SECONDS = 10.0


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


def alert(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Post a failed or crashed run to the address in FUSEMINE_ALERT_URL, if there is one.

    A hook of flows: it raises nothing, because the run has ended and its state must stand.
    """
    url = os.environ.get(URL)
    if not url:
        return
    import httpx

    try:
        httpx.post(url, json=_message(flow, flow_run, state), timeout=SECONDS).raise_for_status()
    except Exception as error:  # of any kind; the address is a secret and not logged
        from prefect.logging import get_logger

        get_logger("fusemine").warning("the alert could not be sent (%s)", type(error).__name__)


def _message(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> dict[str, Any]:
    from prefect.utilities.urls import url_for

    link = None if is_temporary() else url_for(flow_run)
    message = (state.message or "no message")[:LONGEST]
    text = f"{flow.name} {flow_run.name}: {state.name}. {message}"
    return {
        "text": f"{text} {link}" if link else text,
        "flow": flow.name,
        "run": flow_run.name,
        "run_id": str(flow_run.id),
        "state": state.name,
        "message": message,
        "link": link,
    }


class Hooks(TypedDict):
    """Functions that Prefect calls when the state of a flow run changes."""

    on_running: list[FlowStateHook[..., Any]]
    on_failure: list[FlowStateHook[..., Any]]
    on_crashed: list[FlowStateHook[..., Any]]


HOOKS: Hooks = {"on_running": [record_process], "on_failure": [alert], "on_crashed": [alert]}
"""What every flow that works has: `@flow(name=…, **HOOKS)`."""
