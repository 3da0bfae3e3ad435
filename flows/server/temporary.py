"""The temporary Prefect server of a run without a configured one."""

from __future__ import annotations

import atexit
import os
import socket
import ssl
import subprocess
import sys
import time

from fusemine.flows.server.home import PRIVATE, make_private
from fusemine.flows.server.processes import Guard, stop
from fusemine.tasks.core.errors import RunError

START_SECONDS = 120.0
STOP_SECONDS = 5.0
HEARTBEAT_SECONDS = 30
"""How often a flow run sends the server a heartbeat."""

# A first start with a fresh database takes longer than Prefect waits by default.
DEFAULTS = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    "DO_NOT_TRACK": "1",
}
"""What Prefect reads from the environment, where it is not set."""
# The server's own log would end in tracebacks of requests that were under way when the run was
# done.
QUIET = {
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
}
"""The same, for all but a lasting server, because that keeps a log."""
_TEMPORARY = "FUSEMINE_TEMPORARY_SERVER"
_STARTING: dict[str, subprocess.Popen[bytes]] = {}
"""Servers that have not answered yet, by the address of their API."""
# What Prefect sets for a server that it starts for one process: no UI, no scheduler.
_EPHEMERAL = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}


def set_defaults() -> None:
    """Set what Prefect reads from the environment when it is imported, where it is not set yet."""
    for name, value in {**DEFAULTS, **QUIET}.items():
        os.environ.setdefault(name, value)


def begin_server() -> None:
    """Start a temporary Prefect server, unless one is configured or begun; it takes seconds.

    Call `set_defaults` before Prefect is imported. A temporary server ends with this process, even
    if the process is killed. Prefect would start one by itself, but only where all of its server's
    code, 70 MB of it, is loaded into this process as well.
    """
    from prefect.settings import get_current_settings

    if not get_current_settings().api.url:  # an empty one is none either
        make_private()
        url, server = _start()
        _STARTING[url] = server
        os.environ |= {"PREFECT_API_URL": url, _TEMPORARY: url}
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def ensure_server() -> None:
    """Have a Prefect API for the rest of this process: the configured one, or a temporary one.

    Raises:
        RunError: The temporary server does not start.
    """
    begin_server()
    for url, server in list(_STARTING.items()):
        _wait_for(url, server)
        del _STARTING[url]


def is_temporary() -> bool:
    """Whether the Prefect server of this process ends with it."""
    return _TEMPORARY in os.environ


def answers(api: str) -> bool:
    """Whether there is a Prefect server of this machine at the address of an API."""
    import httpx

    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # by default httpx reads all certificates
    try:
        answer = httpx.get(f"{api}/health", timeout=5, verify=plain)
    except httpx.TransportError:
        return False
    return bool(answer.status_code == httpx.codes.OK)


def _start() -> tuple[str, subprocess.Popen[bytes]]:
    """Start a server: the address of its API, and its process."""
    guard = Guard()
    port = _free_port()
    command = ["-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    place = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    server = subprocess.Popen(  # noqa: S603  (Prefect's own server)
        [sys.executable, *command, *place], env={**os.environ, **_EPHEMERAL}, umask=PRIVATE
    )
    guard.watch(server.pid)
    # Called after what Prefect registers from now on, so that what it sends at exit finds a server.
    atexit.register(_stop, server, guard)
    return f"http://127.0.0.1:{port}/api", server


def _stop(server: subprocess.Popen[bytes], guard: Guard) -> None:
    stop([server], STOP_SECONDS)
    guard.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(api: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        if answers(api):
            return
        time.sleep(0.1)
    raise RunError(
        got="the temporary Prefect server did not start",
        expected=f"an answer from it within {START_SECONDS:.0f} s",
        fix="see its messages above; `prefect server database reset` replaces a broken database",
    )
