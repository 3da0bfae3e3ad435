"""What the Prefect server does by itself: end zombie runs, report failed and late ones."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.events import AutomationCore, EventTrigger, Posture
from prefect.events.actions import ActionTypes, CallWebhook, ChangeFlowRunState, SendNotification

from fusemine.flows.server.hooks import BEGINS_WITHIN, URL
from fusemine.flows.server.temporary import HEARTBEAT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

BLOCK = "fusemine-alerts"
"""Name of the block document that notifications go to."""
SILENCE = timedelta(seconds=3 * HEARTBEAT_SECONDS)
"""A run that sends no heartbeat for so long is dead."""
LATE = timedelta(minutes=5)

_ENDED = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
_ACCEPTED = {f"prefect.flow-run.{state}" for state in ("Pending", "Submitting")}
_BEGUN = {f"prefect.flow-run.{state}" for state in ("Running", "AwaitingConcurrencySlot")}
_BODY = "{{ flow.name }} {{ flow_run.name }}: {{ flow_run.state.name }}. {{ flow_run|ui_url }}"


def make_automations(client: SyncPrefectClient, echo: Callable[[str], None]) -> None:
    """Create or renew the automations; those of the same name are replaced.

    Args:
        client: Client of the server.
        echo: Prints what is not made, and how to get it.
    """
    for automation in _crashes():
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


def _crashes() -> Iterator[AutomationCore]:
    heartbeat = "prefect.flow-run.heartbeat"
    yield _automation(
        "crash zombie runs",
        f"A run without a heartbeat for {SILENCE.seconds} s has died with its worker.",
        ChangeFlowRunState(state=StateType.CRASHED, message="no heartbeat: its process is gone"),
        {heartbeat, *_ENDED},
        {heartbeat},
        SILENCE,
    )
    yield _automation(
        "crash runs that never began",
        "Their worker died between taking them and starting their process.",
        ChangeFlowRunState(state=StateType.CRASHED, message="its worker is gone"),
        {*_BEGUN, *_ENDED},
        _ACCEPTED,
        BEGINS_WITHIN,
    )


def _notifications(notify: ActionTypes) -> Iterator[AutomationCore]:
    failed = {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}
    yield _automation("run failed", "", notify, failed)
    yield _automation(
        "run late",
        f"A late run that has not started within {LATE.seconds // 60} minutes.",
        notify,
        {"prefect.flow-run.Pending", "prefect.flow-run.Running", *_ENDED},
        {"prefect.flow-run.Late"},
        LATE,
    )


def _automation(
    name: str,
    description: str,
    action: ActionTypes,
    expect: set[str],
    after: Collection[str] = (),
    within: timedelta = timedelta(0),
) -> AutomationCore:
    """An action on an event of a run; with `after` on none of the events in time after those."""
    trigger = EventTrigger(
        after=set(after),
        expect=expect,
        match={"prefect.resource.id": "prefect.flow-run.*"},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive if after else Posture.Reactive,
        threshold=1,
        within=within,
    )
    return AutomationCore(
        name=f"fusemine: {name}", description=description, trigger=trigger, actions=[action]
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
