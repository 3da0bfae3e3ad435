"""What the Prefect server does by itself: end zombie runs, report failed and late ones."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.events import AutomationCore, EventTrigger, Posture
from prefect.events.actions import ActionTypes, CallWebhook, ChangeFlowRunState, SendNotification

from fusemine.flows.server.alerts import URL
from fusemine.flows.server.process_tracking import BEGINS_WITHIN
from fusemine.flows.server.temporary import HEARTBEAT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

BLOCK = "fusemine-alerts"
"""Name of the block document that notifications go to."""
SILENCE = timedelta(seconds=3 * HEARTBEAT_SECONDS)
"""A run that sends no heartbeat for so long is dead."""
LATE = timedelta(minutes=5)

_ENDED = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}
_EACH = {"prefect.resource.id"}
_ACCEPTED = {f"prefect.flow-run.{state}" for state in ("Pending", "Submitting")}
_BEGUN = {f"prefect.flow-run.{state}" for state in ("Running", "AwaitingConcurrencySlot")}
_BODY = "{{ flow.name }} {{ flow_run.name }}: {{ flow_run.state.name }}. {{ flow_run|ui_url }}"


def make_automations(client: SyncPrefectClient, echo: Callable[[str], None]) -> None:
    """Create or renew the automations; those of the same name are replaced.

    Args:
        client: Client of the server.
        echo: Prints what is not made, and how to get it.
    """
    for automation in (_zombies(), _never_begun()):
        _create_or_replace(client, automation)
    notify = _notification(client)
    if notify is None:
        echo(
            f"no notifications: set {URL} to a webhook's address, or save a notification block "
            f"named {BLOCK} in the UI, and start again"
        )
        return
    for automation in _notifications(notify):
        _create_or_replace(client, automation)


def _zombies() -> AutomationCore:
    heartbeat = "prefect.flow-run.heartbeat"
    return AutomationCore(
        name="fusemine: crash zombie runs",
        description=f"A run without a heartbeat for {SILENCE.seconds} s has died with its worker.",
        trigger=EventTrigger(
            after={heartbeat},
            expect={heartbeat, *_ENDED},
            match=_RUNS,
            for_each=_EACH,
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(state=StateType.CRASHED, message="no heartbeat: its process is gone")
        ],
    )


def _never_begun() -> AutomationCore:
    return AutomationCore(
        name="fusemine: crash runs that never began",
        description="Their worker died between taking them and starting their process.",
        trigger=EventTrigger(
            after=_ACCEPTED,
            expect={*_BEGUN, *_ENDED},
            match=_RUNS,
            for_each=_EACH,
            posture=Posture.Proactive,
            threshold=1,
            within=BEGINS_WITHIN,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="its worker is gone")],
    )


def _notifications(notify: ActionTypes) -> Iterator[AutomationCore]:
    yield AutomationCore(
        name="fusemine: run failed",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match=_RUNS,
            for_each=_EACH,
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[notify],
    )
    yield AutomationCore(
        name="fusemine: run late",
        description=f"A late run that has not started within {LATE.seconds // 60} minutes.",
        trigger=EventTrigger(
            after={"prefect.flow-run.Late"},
            expect={"prefect.flow-run.Pending", "prefect.flow-run.Running", *_ENDED},
            match=_RUNS,
            for_each=_EACH,
            posture=Posture.Proactive,
            threshold=1,
            within=LATE,
        ),
        actions=[notify],
    )


def _notification(client: SyncPrefectClient) -> ActionTypes | None:
    """How to notify people: the block of our name, made from the environment if there is none."""
    found = _block(client)
    if found is None and os.environ.get(URL, "").startswith(("http://", "https://")):
        Webhook(method="POST", url=os.environ[URL]).save(BLOCK)
        found = _block(client)
    if found is None:
        return None
    block, kind = found
    if kind == "webhook":
        return CallWebhook(block_document_id=block, payload='{"text": "' + _BODY + '"}')
    return SendNotification(block_document_id=block, subject="fusemine", body=_BODY)


def _block(client: SyncPrefectClient) -> tuple[UUID, str] | None:
    for document in client.read_block_documents():
        if document.name == BLOCK and document.block_type is not None:
            return document.id, document.block_type.slug
    return None


def _create_or_replace(client: SyncPrefectClient, automation: AutomationCore) -> None:
    found = client.read_automations_by_name(automation.name)
    if found:
        client.update_automation(found[0].id, automation)
    else:
        client.create_automation(automation)
