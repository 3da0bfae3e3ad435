"""The temporary Prefect server of a run without a configured one."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys

# A first start with a fresh database takes longer than Prefect waits by default. The server's
# own log would end in tracebacks of requests that were under way when the run was done.
_DEFAULTS = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "DO_NOT_TRACK": "1",
}
# Reads the server's process id, then waits until its standard input closes, which the end of our
# process does whatever ends it.
_GUARD = """
import os, signal, sys
pid = sys.stdin.readline()
sys.stdin.read()
try:
    os.kill(int(pid), signal.SIGKILL)
except (ProcessLookupError, ValueError):
    pass
"""


def set_defaults() -> None:
    """Choose what Prefect reads from the environment when it is imported; what is set stays."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def ensure_server() -> None:
    """Have a Prefect API for the rest of this process: the configured one, or a temporary one.

    Call `set_defaults` before Prefect is imported. A temporary server ends with this process, even
    if the process is killed.
    """
    from prefect.settings import get_current_settings

    if get_current_settings().api.url is not None:
        return
    from prefect.server.api.server import SubprocessASGIServer

    guard = subprocess.Popen(  # noqa: S603  (our own interpreter and code)
        [sys.executable, "-c", _GUARD], stdin=subprocess.PIPE, start_new_session=True
    )
    # Registered before the server's own stop, and so called after it: what Prefect still has to
    # send at exit finds its server.
    atexit.register(guard.communicate)
    server = SubprocessASGIServer()
    server.start()
    if server.server_process is not None and guard.stdin is not None:
        guard.stdin.write(f"{server.server_process.pid}\n".encode())
        guard.stdin.flush()
