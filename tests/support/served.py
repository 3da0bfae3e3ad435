"""A real local Prefect, as `fusemine ui` brings it up, and a receiver of its alerts, for tests."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from fusemine.flows.server.credentials import CLIENT, credential_file

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
START_SECONDS = 150
# For an answer or an alert, while the runs that the server has started take all of the machine.
PATIENCE = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """The environment without the server of these tests."""
    ours = ("PREFECT_", "FUSEMINE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def client_of(server: str) -> dict[str, str]:
    """What a client of these tests' own server needs in its environment."""
    return {"PREFECT_API_URL": server, CLIENT: os.environ[CLIENT]}


def processes_with(mark: str) -> list[int]:
    """Processes that carry a mark in their environment."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in environment.read_bytes():
                found.append(int(environment.parent.name))
        except OSError:
            continue
    return found


def command_lines() -> dict[int, str]:
    """The command lines of all processes."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found[int(file.parent.name)] = file.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def patiently(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer of a server that says for a while that its SQLite is busy."""
    until = time.monotonic() + PATIENCE
    while (answer := ask()).status_code == httpx.codes.SERVICE_UNAVAILABLE:
        if time.monotonic() > until:
            break
        time.sleep(0.5)
    return answer


@dataclass
class Served:
    """`fusemine ui` and how to talk to its server.

    Args:
        home: Folder of Prefect's database and logs.
        alerts: Address that alerts are posted to.
    """

    home: Path
    alerts: str
    port: int = field(default_factory=free_port)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api = f"http://127.0.0.1:{self.port}/api"
        self._ui = {
            **clean_environment(),
            "PREFECT_HOME": str(self.home),
            "PREFECT_SERVER_API_PORT": str(self.port),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "FUSEMINE_ALERT_URL": self.alerts,
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
        }
        # No credential: commands find it in the home.
        self.environment = {**self._ui, "PREFECT_API_URL": self.api}

    @property
    def headers(self) -> dict[str, str]:
        """What a client of the server presents, but for Prefect's own and ours."""
        user_and_password = credential_file(self.home, self.port).read_text().strip()
        sent = {"Authorization": f"Basic {base64.b64encode(user_and_password.encode()).decode()}"}
        ours = {"client": "tests"}
        address = f"{self.api}/csrf-token"
        token = patiently(lambda: httpx.get(address, params=ours, headers=sent, timeout=PATIENCE))
        return {
            **sent,
            "Prefect-Csrf-Client": "tests",
            "Prefect-Csrf-Token": str(token.json()["token"]),
        }

    def bring_up(self) -> None:
        """Start it and wait until it says that everything is there."""
        command = [BIN / "fusemine", "ui"]
        self.process = subprocess.Popen(
            command, cwd=REPOSITORY, env=self._ui, text=True, stdout=subprocess.PIPE
        )
        timer = threading.Timer(START_SECONDS, self.process.kill)
        timer.start()
        assert self.process.stdout is not None
        self.said = []
        for line in self.process.stdout:
            self.said.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        else:
            pytest.fail(f"fusemine ui has ended: {self.said}")
        timer.cancel()

    def stop(self, how: int = signal.SIGINT) -> int:
        """Stop it and wait for its end; the exit code."""
        self.process.send_signal(how)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def left(self, patience: float = 10) -> list[int]:
        """Processes that are still there some time after the end."""
        until = time.monotonic() + patience
        while (found := processes_with(f"PREFECT_HOME={self.home}")) and time.monotonic() < until:
            time.sleep(0.3)
        return found

    def process_of(self, name: str) -> int:
        """The process of the server (`gate`) or of a pool's worker; 0 where there is none."""
        ours, commands = processes_with(f"PREFECT_HOME={self.home}"), command_lines()
        mark = "server/gate.py " if name == "gate" else f"worker start --pool {name} "
        return next((process for process in ours if mark in commands.get(process, "")), 0)

    def call(
        self, *command: str | Path, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `prefect` or `fusemine` as a client of the server."""
        done = subprocess.run(
            [BIN / command[0], *command[1:]], cwd=REPOSITORY,
            env={**self.environment, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def post(self, path: str, **body: Any) -> Any:
        """What the server answers to a question."""
        return self._asked("POST", path, json=body)

    def get(self, path: str) -> Any:
        return self._asked("GET", path)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The server's answer, whatever it is."""
        address = f"{self.api}/{path}"
        return httpx.request(method, address, timeout=PATIENCE, headers=self.headers, **more)

    def _asked(self, method: str, path: str, **more: Any) -> Any:
        answer = patiently(lambda: self.ask(method, path, **more))
        answer.raise_for_status()
        return answer.json()

    def deployment(self, name: str) -> Any:
        return self.get(f"deployments/name/{name}")

    def trigger(self, name: str, parameters: dict[str, Any], **more: Any) -> str:
        """Start a run of a deployment as the UI does; its id."""
        key = self.deployment(name)["id"]
        run = self.post(f"deployments/{key}/create_flow_run", parameters=parameters, **more)
        return str(run["id"])

    def finished(self, run: str, seconds: float = 180) -> dict[str, Any]:
        """A flow run, once it has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found: dict[str, Any] = self.get(f"flow_runs/{run}")
            if found["state_type"] in ENDED:
                return found
            time.sleep(0.5)
        pytest.fail(f"run {run} has not ended after {seconds} s")


def prefect_home(factory: pytest.TempPathFactory) -> Path:
    """A Prefect home with an empty database.

    Prefect takes a third of a minute to set one up, so all processes of the tests copy one.
    """
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    template = shared / "prefect.db"
    with (shared / "prefect.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            draft = factory.mktemp("database")
            subprocess.run(
                [BIN / "prefect", "server", "database", "upgrade", "-y"],
                env={**clean_environment(), "PREFECT_HOME": str(draft)},
                check=True, capture_output=True,
            )  # fmt: skip
            (draft / "prefect.db").rename(template)
    home = factory.mktemp("prefect")
    shutil.copy(template, home)
    return home


@contextmanager
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address that takes JSON, and what it has taken."""
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: the tests' output stays clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?token=s3cret", taken
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def temporary_server(home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A plain Prefect server to be killed: the address of its API, and its process."""
    port = free_port()
    command = [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    quiet = subprocess.DEVNULL
    environment = {**clean_environment(), "PREFECT_HOME": str(home)}
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/health")
            yield f"http://127.0.0.1:{port}/api", server
        finally:
            server.kill()


def _wait_for(url: str) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            if httpx.get(url, timeout=PATIENCE).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    pytest.fail(f"no answer from {url}")
