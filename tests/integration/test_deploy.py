"""A real Prefect server takes every deployment and schedules its runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

REPOSITORY = Path(__file__).parents[2]
PREFECT = Path(sys.executable).with_name("prefect")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a client of a fresh server."""
    port = free_port()
    values = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path / "home"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=values, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(f"{values['PREFECT_API_URL']}/health")
            yield values
        finally:
            server.terminate()
            server.wait()


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


def prefect(*arguments: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [PREFECT, "--no-prompt", *arguments],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_deployments_are_accepted_and_scheduled(environment: dict[str, str]) -> None:
    prefect("work-pool", "create", "cpu", "--type", "process", environment=environment)
    prefect("deploy", "--all", environment=environment)
    url = f"{environment['PREFECT_API_URL']}/flow_runs/filter"
    deadline = time.monotonic() + 20
    scheduled: list[dict[str, object]] = []
    while not scheduled and time.monotonic() < deadline:
        runs = httpx.post(url, json={}).json()
        scheduled = [run for run in runs if run["auto_scheduled"]]
        time.sleep(0.5)
    assert scheduled
    assert scheduled[0]["parameters"] == {
        "pipeline": "data/wildlife/pipeline.yaml",
        "partition": "latest",
    }
