"""A real Prefect server with the project's deployments and workers, for tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

REPOSITORY = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Served:
    """A running server and how to talk to it."""

    api: str
    environment: dict[str, str]

    def call(self, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `prefect` or `fusemine` as a client of the server."""
        done = subprocess.run(
            [BIN / command[0], *command[1:]],
            cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """The same in the background, with standard error to read."""
        return subprocess.Popen(
            [BIN / command[0], *command[1:]],
            cwd=REPOSITORY, env=self.environment, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def post(self, path: str, **body: Any) -> Any:
        """What the server answers to a question."""
        answer = httpx.post(f"{self.api}/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.api}/{path}", timeout=30)
        answer.raise_for_status()
        return answer.json()

    def finished(self, run: str, seconds: float = 90) -> dict[str, Any]:
        """A flow run, once it has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found: dict[str, Any] = self.get(f"flow_runs/{run}")
            if found["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}:
                return found
            time.sleep(0.5)
        pytest.fail(f"run {run} has not ended after {seconds} s")


@contextmanager
def serving(home: Path) -> Iterator[Served]:
    """A fresh server."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "DO_NOT_TRACK": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(f"{api}/health")
            yield Served(api, environment)
        finally:
            server.terminate()
            server.wait()


@contextmanager
def working(served: Served, pool: str) -> Iterator[None]:
    """A worker of a pool."""
    command = [BIN / "prefect", "worker", "start", "--pool", pool]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=served.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as worker:  # fmt: skip
        try:
            yield
        finally:
            worker.terminate()
            worker.wait()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    pytest.fail(f"no answer from {url}")
