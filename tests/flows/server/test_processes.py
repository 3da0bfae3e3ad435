"""Children are looked after: how they ended is known, and they are started again with their log."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fusemine.flows.server.processes import Processes

WITHIN = 60


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes without one yet, that all end with the test."""
    made = Processes(tmp_path / "logs", dict(os.environ))
    yield made
    made.close()


def has_ended(processes: Processes, name: str) -> bool:
    until = time.monotonic() + WITHIN
    while name not in processes.ended() and time.monotonic() < until:
        time.sleep(0.02)
    return name in processes.ended()


def start(processes: Processes, name: str, code: str) -> None:
    processes.start(name, [sys.executable, "-c", code], processes.logs)


def test_a_child_that_ends_is_started_again_and_the_others_go_on(processes: Processes) -> None:
    start(processes, "lasting", "import time; time.sleep(600)")
    start(processes, "short", "print('once more')")
    assert has_ended(processes, "short")
    assert processes.ended() == ["short"]
    processes.restart("short")
    assert has_ended(processes, "short")
    assert processes.ended() == ["short"]
    assert processes.last_lines("short") == "once more\nonce more"


def test_how_a_child_has_ended_is_said_with_its_last_lines(processes: Processes) -> None:
    start(processes, "failing", "import sys; print('no room'); sys.exit(3)")
    start(processes, "killed", "import os; os.kill(os.getpid(), 9)")
    assert has_ended(processes, "failing")
    assert has_ended(processes, "killed")
    said = processes.end_of("failing")
    assert said == "failing has ended by itself (exit code 3); its last lines:\nno room"
    assert processes.end_of("killed") == "killed has ended by itself (signal 9)"


def test_a_child_that_is_given_up_is_looked_after_no_more(processes: Processes) -> None:
    start(processes, "short", "")
    assert has_ended(processes, "short")
    processes.give_up("short")
    assert processes.ended() == []
