"""Alerts of failed runs, sent by the run itself: the server's automations may miss one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fusemine.flows.server.temporary import is_temporary

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow

URL = "FUSEMINE_ALERT_URL"
"""Environment variable with the address to post to; it is a secret."""
LONGEST = 500
SECONDS = 10.0


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
