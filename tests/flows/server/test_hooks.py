"""Runs whose process or worker is gone are known from those that go on."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from fusemine.flows.server.hooks import BEGINS_WITHIN, has_not_begun, is_gone, process_mark


def run(**values: Any) -> Any:
    from prefect.client.schemas.objects import FlowRun

    return FlowRun(flow_id=uuid4(), **values)


def test_a_process_is_gone_once_it_has_ended() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    seen = run(infrastructure_pid=process_mark(process.pid))
    assert not is_gone(seen)
    process.communicate(b"\n")
    assert is_gone(seen)


def test_another_process_with_its_number_is_not_it() -> None:
    host, pid, started = process_mark(1).split("/")
    assert not is_gone(run(infrastructure_pid=f"{host}/{pid}/{started}"))
    assert is_gone(run(infrastructure_pid=f"{host}/{pid}/{int(started) + 1}"))


@pytest.mark.parametrize("place", [None, "4711", "elsewhere/4711/1", "elsewhere/x"])
def test_processes_of_other_machines_are_never_gone(place: str | None) -> None:
    assert not is_gone(run(infrastructure_pid=place))


@pytest.mark.parametrize(
    ("kind", "age", "lost"),
    [
        ("PENDING", BEGINS_WITHIN / 2, False),
        ("PENDING", 2 * BEGINS_WITHIN, True),
        ("RUNNING", 2 * BEGINS_WITHIN, False),
        ("SCHEDULED", 2 * BEGINS_WITHIN, False),
    ],
)
def test_a_run_that_was_taken_long_ago_has_lost_its_worker(
    kind: str, age: timedelta, lost: bool
) -> None:
    from prefect.client.schemas.objects import State

    state: State[None] = State(type=kind, timestamp=datetime.now(UTC) - age)
    assert has_not_begun(run(state=state)) is lost
