"""A whole local Prefect for one folder: server, pools, automations, deployments, workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import State, StateType, WorkPoolStatus
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings
from prefect.states import Crashed
from prefect.workers.process import ProcessWorker

from fusemine.flows.server.automations import make_automations
from fusemine.flows.server.home import PRIVATE, make_private
from fusemine.flows.server.hooks import has_not_begun, is_gone
from fusemine.flows.server.processes import Processes
from fusemine.flows.server.temporary import DEFAULTS, QUIET, START_SECONDS, answers
from fusemine.tasks.core.errors import RunError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


POOLS = {"cpu": 2, "gpu": 1, "control": 10}
"""The work pools, with the runs that each has at a time when it is made."""
BIN = Path(sys.executable).parent

_LEASES = "prefect.server.concurrency.lease_storage.filesystem"
# What the environment says comes before these.
_DEFAULTS = {
    **DEFAULTS,
    # A killed run frees its deployment's slot when its lease ends, also after a restart.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": _LEASES,
    "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "60",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "5",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    # Two runs on one machine would otherwise wait for each other at full speed.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def run_ui(folder: Path, echo: Callable[[str], None]) -> None:
    """Start everything, print where it is, and run until Ctrl-C or SIGTERM.

    Args:
        folder: Folder with the prefect.yaml.
        echo: Prints a line.

    Raises:
        SettingsError: There is no prefect.yaml, or the port is taken.
        RunError: Something did not start, or ended by itself.
    """
    folder = folder.resolve()
    _check(folder)
    settings = get_current_settings()
    host, port = settings.server.api.host, settings.server.api.port
    _check_port(host, port)
    api = f"http://{host}:{port}/api"
    mine = {k: v for k, v in os.environ.items() if QUIET.get(k) != v}
    logs = settings.home / "fusemine-ui"
    processes = Processes(logs, {**_DEFAULTS, **mine, "PREFECT_API_URL": api})
    with _stopping() as stop:  # until all is stopped, so that a second Ctrl-C cuts nothing off
        try:
            echo(f"starting the Prefect server; logs: {logs}")
            server = (BIN / "prefect", "server", "start", "--host", host, "--port", str(port))
            make_private()
            processes.start("server", server, folder, PRIVATE)
            _wait(lambda: answers(api), processes, stop, "the server to answer")
            _start_workers(folder, api, processes, stop, echo)
            while not stop.wait(1):
                _check_alive(processes)
        except KeyboardInterrupt:
            pass  # while it was still starting
        finally:
            echo("stopping …")
            processes.stop(*[f"worker-{pool}" for pool in POOLS])
            processes.kill_rest()  # runs that the workers had under way
            processes.close()


def _start_workers(
    folder: Path, api: str, processes: Processes, stop: threading.Event, echo: Callable[[str], None]
) -> None:
    """Make pools, automations and deployments, start the workers, and print what there is."""
    pools = [pool for pool in POOLS if pool != "gpu" or _has_gpu()]
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        _make_pools(client)
        _crash_dead_runs(client)
        make_automations(client, echo)
        _deploy(folder, processes)
        for pool in pools:
            start = (BIN / "prefect", "worker", "start", "--pool", pool, "--name", f"{pool}-here")
            processes.start(f"worker-{pool}", start, folder)
        _wait(lambda: _ready(client, pools), processes, stop, "the workers")
        for line in _summary(client, api, pools):
            echo(line)


def _check(folder: Path) -> None:
    if not (folder / "prefect.yaml").is_file():
        raise SettingsError(
            got=f"no prefect.yaml in {folder}",
            expected="a folder with the deployments to serve",
            fix="name the folder: fusemine ui FOLDER",
        )


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                got=f"{host}:{port} cannot be used: {error.strerror}",
                expected="a free port for the Prefect server",
                fix="stop what runs there, or set PREFECT_SERVER_API_PORT to another port",
            ) from error


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second one changes nothing."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(done: Callable[[], bool], processes: Processes, stop: threading.Event, what: str) -> None:
    until = time.monotonic() + START_SECONDS
    while not done():
        _check_alive(processes)
        if stop.wait(0.5):
            raise KeyboardInterrupt
        if time.monotonic() > until:
            raise RunError(
                got=f"waited {START_SECONDS:.0f} s for {what}",
                expected="an answer within that time",
                fix=f"look into the logs: {processes.logs}",
            )


def _check_alive(processes: Processes) -> None:
    name = processes.ended()
    if name is not None:
        raise RunError(
            got=f"{name} has ended by itself; its last lines:\n{processes.last_lines(name)}",
            expected="it to run until Ctrl-C",
            fix=f"correct what they name; the whole log: {processes.logs / name}.log",
        )


def _has_gpu() -> bool:
    """Whether torch sees a GPU; another process imports it, which takes seconds and memory."""
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


def _make_pools(client: SyncPrefectClient) -> None:
    """Create the pools that are missing; the others stay as their owner has set them."""
    for name, limit in POOLS.items():
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            pool = WorkPoolCreate(
                name=name, type="process", base_job_template=template, concurrency_limit=limit
            )
            client.create_work_pool(pool)


def _crash_dead_runs(client: SyncPrefectClient) -> None:
    """Crash the runs whose process or worker on this machine is gone."""
    types = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    under_way = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)))
    for run in client.read_flow_runs(flow_run_filter=under_way):
        if is_gone(run) or has_not_begun(run):
            state: State[None] = Crashed(message="its process ended with the machine or its worker")
            client.set_flow_run_state(run.id, state, force=True)


def _deploy(folder: Path, processes: Processes) -> None:
    done = subprocess.run(  # noqa: S603  (Prefect's own command)
        [BIN / "prefect", "--no-prompt", "deploy", "--all"],
        cwd=folder, env=processes.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise RunError(
            got=f"prefect deploy --all failed:\n{last}",
            expected="every deployment of prefect.yaml to be accepted",
            fix="correct prefect.yaml",
        )


def _ready(client: SyncPrefectClient, pools: list[str]) -> bool:
    return all(client.read_work_pool(pool).status is WorkPoolStatus.READY for pool in pools)


def _summary(client: SyncPrefectClient, api: str, pools: list[str]) -> Iterator[str]:
    names = sorted(deployment.name for deployment in client.read_deployments())
    yield f"Prefect UI: {api.removesuffix('/api')}"
    yield f"workers: {', '.join(pools)}" + ("" if "gpu" in pools else " (no GPU on this machine)")
    yield f"deployments: {len(names)}"
    yield f"history: {_database()}"
    yield "Ctrl-C stops all of it"


def _database() -> str:
    """Where history lives: a file, or the URL of a database without its password."""
    from sqlalchemy.engine import make_url

    settings = get_current_settings()
    url = settings.server.database.connection_url
    if url is None:
        return f"{settings.home / 'prefect.db'}"
    made = make_url(url.get_secret_value())
    in_file = made.get_backend_name() == "sqlite" and made.database
    return str(made.database if in_file else made)
