"""A whole local Prefect for one folder: server, pools, automations, deployments, workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import State, StateType, WorkPoolStatus
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    get_current_settings,
    temporary_settings,
)
from prefect.states import Crashed

from fusemine.flows.server.automations import make_automations
from fusemine.flows.server.credentials import CLIENT, closed, credential_file, kept_credential
from fusemine.flows.server.gate import HOSTS, server_command
from fusemine.flows.server.home import PRIVATE, check_home, make_private
from fusemine.flows.server.hooks import has_not_begun, is_gone
from fusemine.flows.server.pools import POOLS, make_pools
from fusemine.flows.server.processes import Processes
from fusemine.flows.server.temporary import DEFAULTS, QUIET, START_SECONDS, answers
from fusemine.tasks.core.errors import RunError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


BIN = Path(sys.executable).parent

RESTARTS = 5
"""How often a worker that ends by itself is started again."""

_LEASES = "prefect.server.concurrency.lease_storage.filesystem"
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
# What the environment says comes before these.
_DEFAULTS = {
    **DEFAULTS,
    # A killed run frees its deployment's slot when its lease ends, also after a restart.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": _LEASES,
    "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "60",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "5",
    # Of whatever name and port it is opened at, so that the pages ask where they come from.
    "PREFECT_UI_API_URL": "/api",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    # Two runs on one machine would otherwise wait for each other at full speed.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def run_ui(folder: Path, echo: Callable[[str], None], names: Sequence[str] = ()) -> None:
    """Start everything, print where it is, and run until Ctrl-C or SIGTERM.

    Args:
        folder: Folder with the prefect.yaml.
        echo: Prints a line.
        names: More names that the server is asked for by, each `name` or `name:port`.

    Raises:
        SettingsError: There is no prefect.yaml, or the port is taken.
        RunError: Something did not start, or ended by itself.
    """
    folder = folder.resolve()
    _check(folder)
    settings = get_current_settings()
    host, port = settings.server.api.host, settings.server.api.port
    _check_port(host, port)
    api = f"http://{_WILDCARDS.get(host, host)}:{port}/api"
    logs = settings.home / "fusemine-ui"
    processes = Processes(logs, _environment(api, names))
    with _stopping() as stop:  # until all is stopped, so that a second Ctrl-C cuts nothing off
        try:
            echo(f"starting the Prefect server; logs: {logs}")
            make_private()
            processes.start("server", server_command(host, port), folder, PRIVATE)
            _wait(lambda: answers(api), processes, stop, "the server to answer")
            _start_workers(folder, api, processes, stop, echo)
            _keep_up(processes, stop, echo)
        except KeyboardInterrupt:
            pass  # while it was still starting
        finally:
            echo("stopping …")
            processes.stop(*[f"worker-{pool}" for pool in POOLS])
            processes.kill_rest()  # runs that the workers had under way
            processes.close()


def _environment(api: str, names: Sequence[str]) -> dict[str, str]:
    """The environment of the server, the workers and their runs."""
    settings = get_current_settings()
    own = settings.server.api.auth_string
    port = settings.server.api.port
    secret = own.get_secret_value() if own else kept_credential(settings.home, port)
    mine = {k: v for k, v in os.environ.items() if QUIET.get(k) != v}
    hosts = {HOSTS: ",".join([*names, os.environ.get(HOSTS, "")])}
    fixed = {CLIENT: secret, "PREFECT_API_URL": api, **hosts}
    return {**_DEFAULTS, **closed(secret), **mine, **fixed}


def _keep_up(processes: Processes, stop: threading.Event, echo: Callable[[str], None]) -> None:
    """Start workers again that end by themselves, until the end or that of the server."""
    left = Counter(dict.fromkeys(POOLS, RESTARTS))
    while not stop.wait(1):
        for name in processes.ended():
            pool = name.removeprefix("worker-")
            if pool not in left:
                raise _ended(name, processes)
            left[pool] -= 1
            if left[pool] < 0:
                echo(f"{processes.end_of(name)}\n{name} is not started again")
                processes.give_up(name)
                continue
            processes.restart(name)
            echo(f"{name} has ended by itself and is started again; its log: {processes.logs}")


def _start_workers(
    folder: Path, api: str, processes: Processes, stop: threading.Event, echo: Callable[[str], None]
) -> None:
    """Make pools, automations and deployments, start the workers, and print what there is."""
    pools = [pool for pool in POOLS if pool != "gpu" or _has_gpu()]
    secret = {PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: processes.environment[CLIENT]}
    with temporary_settings(secret), get_client(sync_client=True) as client:
        make_pools(client, echo)
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
            fix="name the folder: fusemine ui FOLDER; docs/orchestration.md shows such a file",
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
    for name in processes.ended():
        raise _ended(name, processes)


def _ended(name: str, processes: Processes) -> RunError:
    check_home()  # a full disk is the reason, whatever the log says
    return RunError(
        got=processes.end_of(name),
        expected="it to run until Ctrl-C",
        fix=f"correct what is named there; the whole log: {processes.logs / name}.log",
    )


def _has_gpu() -> bool:
    """Whether torch sees a GPU; another process imports it, which takes seconds and memory."""
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


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
    if get_current_settings().server.api.auth_string is None:
        home, port = get_current_settings().home, urlsplit(api).port
        yield f"it asks once for a password, the whole line of {credential_file(home, port or 80)}"
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
