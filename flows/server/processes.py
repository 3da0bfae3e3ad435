"""Processes that end with us, however we end, and with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = "FUSEMINE_UI"
"""Environment variable by which everything that we start is found."""
GRACE_SECONDS = 10.0

# Waits until its standard input closes, which happens however our process ends, and then kills
# all that carries our mark. Process groups are for systems without /proc.
_GUARD = """
import os, signal, sys
mark = sys.argv[1].encode()
groups = [int(line) for line in sys.stdin.readlines()]
for _ in range(3):
    try:
        found = [int(name) for name in os.listdir('/proc') if name.isdigit()]
    except OSError:
        found = []
    for pid in found:
        try:
            with open(f'/proc/{pid}/environ', 'rb') as file:
                if mark in file.read():
                    os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Processes:
    """Child processes with a log file each.

    Args:
        logs: Folder of the log files.
        environment: Environment of all children.
    """

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        self.logs = logs
        self._token = uuid4().hex
        self.environment = {**environment, MARK: self._token}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)
        self._guard = subprocess.Popen(  # noqa: S603  (our own interpreter and code)
            [sys.executable, "-c", _GUARD, f"{MARK}={self._token}"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def start(self, name: str, command: Sequence[str | Path], folder: Path) -> None:
        """Start a child in a session of its own, so that Ctrl-C reaches us alone."""
        with (self.logs / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(  # noqa: S603  (Prefect's own command)
                command,
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[name] = child
        if self._guard.stdin is not None:
            self._guard.stdin.write(f"{child.pid}\n")
            self._guard.stdin.flush()

    def ended(self) -> str | None:
        """The name of a child that has ended, if one has."""
        return next((name for name, c in self._children.items() if c.poll() is not None), None)

    def last_lines(self, name: str, lines: int = 15) -> str:
        """The end of a child's log."""
        text = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self, *names: str) -> None:
        """End some children and what they started: SIGTERM first, then SIGKILL."""
        children = [self._children.pop(name) for name in names if name in self._children]
        for child in children:
            child.terminate()
        until = time.monotonic() + GRACE_SECONDS
        for child in children:
            try:
                child.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def kill_rest(self) -> None:
        """Kill what carries our mark besides the children that are left."""
        left = {child.pid for child in self._children.values()}
        for pid in marked(f"{MARK}={self._token}"):
            if pid not in left:
                _kill(pid)

    def close(self) -> None:
        """End everything; the guard ends last."""
        self.stop(*self._children)
        self._guard.communicate()


def marked(mark: str) -> list[int]:
    """Processes that carry a mark in their environment; none where there is no /proc."""
    return [int(p.name) for p in Path("/proc").glob("[0-9]*") if mark.encode() in _environ(p)]


def _environ(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
