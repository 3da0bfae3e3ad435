"""The temporary Prefect server of a run without a configured one."""

from __future__ import annotations

import atexit
import logging
import os
import re
import socket
import ssl
import subprocess
import time
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from fusemine.flows.server.credentials import CLIENT, closed, new_credential, present_credential
from fusemine.flows.server.gate import server_command
from fusemine.flows.server.home import PRIVATE, check_home, make_private
from fusemine.flows.server.processes import Guard, stop
from fusemine.flows.server.system_errors import prefect_home
from fusemine.tasks.core.errors import RunError, ServerError
from fusemine.tasks.table.escaping import escape_line

START_SECONDS = 120.0
STOP_SECONDS = 5.0
ANSWER_SECONDS = 20.0
"""The most seconds that a configured server has for its first answer; Prefect's own
PREFECT_API_REQUEST_TIMEOUT may say less."""
SILENT_SECONDS = 3.0
"""After so long a line says what is waited for."""
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
_LOG = logging.getLogger("fusemine")


class _Server(NamedTuple):
    process: subprocess.Popen[bytes]
    log: IO[bytes]


_REASON = re.compile(r"[\w.]+(Error|Exception|Exit)\b")
"""How the last line of a traceback begins."""
_TEMPORARY = "FUSEMINE_TEMPORARY_SERVER"
_STARTING: dict[str, _Server] = {}
"""Servers that have not answered yet, by the address of their API."""
# What Prefect sets for a server that it starts for one process: no UI, no scheduler.
_EPHEMERAL = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    # Nobody reads its log unless it does not start.
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
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
    if not os.environ.get("PREFECT_API_URL") and not prefect_home().exists():
        check_home()  # Prefect would go on without one, with a warning
    from prefect.settings import get_current_settings

    if get_current_settings().api.url:  # an empty one is none
        present_credential()
        return
    check_home()
    make_private()
    port, secret = _free_port(), closed(new_credential())
    url = f"http://127.0.0.1:{port}/api"
    _STARTING[url] = _start(port, secret)
    os.environ |= {"PREFECT_API_URL": url, _TEMPORARY: url, CLIENT: secret[CLIENT]}
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()


def ensure_server() -> None:
    """Have a Prefect API for the rest of this process: the configured one, or a temporary one.

    Raises:
        RunError: The temporary server does not start.
        ServerError: The configured one lets a first request wait.
    """
    begin_server()
    for url, server in list(_STARTING.items()):
        _wait_for(url, server)
        server.log.close()  # the server goes on writing to it
        del _STARTING[url]
    if not is_temporary():
        _probe()


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


def _probe() -> None:
    """Ask a configured server once; Prefect would wait for minutes, and silently.

    Only silence is an error here: what a server answers, or why there is no connection, is for
    Prefect to judge, which knows the server's certificates and keys.
    """
    from prefect.settings import get_current_settings

    settings = get_current_settings().api
    url, most = str(settings.url), min(settings.request_timeout, ANSWER_SECONDS)
    if most > SILENT_SECONDS and _is_silent(url, SILENT_SECONDS):
        _LOG.warning(
            "no answer from the Prefect server at %s for %g s; waiting for %g s more at most",
            url, SILENT_SECONDS, most,
        )  # fmt: skip
    elif most > SILENT_SECONDS:
        return
    if _is_silent(url, most):
        raise ServerError(
            got=f"no answer from the Prefect server at {url} within {most:g} s, though something "
            "may listen there",
            expected="the server that PREFECT_API_URL names, or none set for a temporary one",
            fix="restart it or unset PREFECT_API_URL, then run again: what is complete is reused",
        )


def _is_silent(api: str, seconds: float) -> bool:
    import httpx

    # Reading the certificates takes long, and in clear there are none to check.
    verify = api.startswith("https") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        httpx.get(f"{api}/health", timeout=seconds, verify=verify)
    except httpx.TimeoutException:
        return True
    except httpx.HTTPError:
        return False
    return False


def _start(port: int, secret: dict[str, str]) -> _Server:
    """Start a server that wants a credential."""
    guard = Guard()
    log = TemporaryFile(dir=prefect_home())  # noqa: SIM115  (closed once it answers)
    process = subprocess.Popen(  # noqa: S603  (Prefect's own server)
        server_command("127.0.0.1", port),
        env={**os.environ, **secret, **_EPHEMERAL},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        umask=PRIVATE,
    )
    guard.watch(process.pid)
    # Called after what Prefect registers from now on, so that what it sends at exit finds a server.
    atexit.register(_stop, process, guard)
    return _Server(process, log)


def _stop(server: subprocess.Popen[bytes], guard: Guard) -> None:
    stop([server], STOP_SECONDS)
    guard.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(api: str, server: _Server) -> None:
    until = time.monotonic() + START_SECONDS
    while server.process.poll() is None and time.monotonic() < until:
        if answers(api):
            return
        time.sleep(0.1)
    check_home()  # it may have filled up meanwhile
    server.log.seek(0)
    raise _not_started(server.log.read().decode(errors="replace"))


def _not_started(log: str) -> RunError:
    lines = [line for line in log.splitlines() if line.strip()] or ["no reason given"]
    reason = next((line for line in reversed(lines) if _REASON.match(line)), lines[-1])
    damaged = "not a database" in log or "malformed" in log
    database = escape_line(prefect_home() / "prefect.db")
    return RunError(
        got=f"the temporary Prefect server did not start: {reason}",
        expected=f"an answer from it within {START_SECONDS:.0f} s",
        fix=f"move {database} away: a new one is made; only the history of runs is in it"
        if damaged
        else "correct that; if no reason is given the machine may be too busy: run again",
    )
