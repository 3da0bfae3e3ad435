"""Processes that end with us, however we end, and with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = "FUSEMINE_UI"
"""Environment variable by which everything that we start is found."""
GRACE_SECONDS = 10.0

# Waits until its standard input closes, which happens however our process ends, and then kills
# the processes whose ids came in, and with a mark all that carries it. Process groups are for
# systems without /proc.
_GUARD = """
import os, signal, sys
mark = sys.argv[1].encode()
pids = [int(line) for line in sys.stdin.readlines()]
for _ in range(3 if mark else 0):
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
for pid in pids:
    try:
        (os.killpg if mark else os.kill)(pid, signal.SIGKILL)
    except OSError:
        pass
"""


class Guard:
    """A process that kills others once this one has ended, even if it is killed.

    Args:
        mark: What the environment of all that is to be killed holds; what is watched then leads
            a process group, which is killed too.
    """

    def __init__(self, mark: str = "") -> None:
        self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and code)
            [sys.executable, "-c", _GUARD, mark],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def watch(self, pid: int) -> None:
        """Kill this process too."""
        print(pid, file=self._process.stdin, flush=True)

    def close(self) -> None:
        """Kill everything now."""
        self._process.communicate()


def stop(children: Sequence[subprocess.Popen[bytes]], within: float) -> None:
    """End processes: SIGTERM first, and after so many seconds SIGKILL."""
    for child in children:
        child.terminate()
    until = time.monotonic() + within
    for child in children:
        try:
            child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class Processes:
    """Child processes with a log file each.

    Args:
        logs: Folder of the log files.
        environment: Environment of all children.
    """

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        self.logs = logs
        token = uuid4().hex
        self.environment = {**environment, MARK: token}
        self._mark = f"{MARK}={token}"
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._starts: dict[str, tuple[Sequence[str | Path], Path, int]] = {}
        logs.mkdir(parents=True, exist_ok=True)
        self._guard = Guard(self._mark)

    def start(
        self, name: str, command: Sequence[str | Path], folder: Path, umask: int = -1
    ) -> None:
        """Start a child in a session of its own, so that Ctrl-C reaches us alone."""
        self._starts[name] = (command, folder, umask)
        (self.logs / f"{name}.log").write_bytes(b"")
        self.restart(name)

    def restart(self, name: str) -> None:
        """Start a child once more; its log goes on."""
        command, folder, umask = self._starts[name]
        with (self.logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(  # noqa: S603  (Prefect's own command)
                command,
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=umask,
            )
        self._children[name] = child
        self._guard.watch(child.pid)

    def ended(self) -> list[str]:
        """The names of the children that have ended, in the order of their start."""
        return [name for name, child in self._children.items() if child.poll() is not None]

    def end_of(self, name: str) -> str:
        """How a child has ended, with the end of its log."""
        code, lines = self._children[name].poll(), self.last_lines(name)
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return f"{name} has ended by itself ({how})" + (
            f"; its last lines:\n{lines}" if lines else ""
        )

    def give_up(self, name: str) -> None:
        """Look no more after a child that has ended."""
        del self._children[name]

    def last_lines(self, name: str, lines: int = 15) -> str:
        """The end of a child's log."""
        text = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self, *names: str) -> None:
        """End some children and what they started: SIGTERM first, then SIGKILL."""
        stop([self._children.pop(n) for n in names if n in self._children], GRACE_SECONDS)

    def kill_rest(self) -> None:
        """Kill what carries our mark besides the children that are left."""
        mark, left = self._mark.encode(), {str(child.pid) for child in self._children.values()}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended, or belongs to somebody else
                if process.name not in left and mark in (process / "environ").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)

    def close(self) -> None:
        """End everything; the guard ends last."""
        self.stop(*self._children)
        self._guard.close()
