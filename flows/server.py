"""The temporary Prefect server of a run without a configured one."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from typing import Any

# A first start with a fresh database takes longer than Prefect waits by default. The server's
# own log would end in tracebacks of requests that were under way when the run was done.
_DEFAULTS = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "DO_NOT_TRACK": "1",
}
# Reads process ids until its standard input closes, which the end of our process does whatever
# ends it, and then ends them.
_GUARD = """
import os, signal, sys
for line in sys.stdin.readlines():
    try:
        os.kill(int(line), signal.SIGKILL)
    except (ProcessLookupError, ValueError):
        pass
"""


def quiet_defaults() -> dict[str, str]:
    """Those defaults that a server which stays should not have: it is to keep a log."""
    return {name: value for name, value in _DEFAULTS.items() if "LOGGING" in name}


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
        [sys.executable, "-c", _GUARD], stdin=subprocess.PIPE, start_new_session=True, text=True
    )
    # Registered before the server's own stop, and so called after it: what Prefect still has to
    # send at exit finds its server.
    atexit.register(guard.communicate)

    class Guarded(SubprocessASGIServer):
        """Its process is known to the guard from its first moment, while it still starts up."""

        def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
            process = super()._run_uvicorn_command()
            if guard.stdin is not None:
                guard.stdin.write(f"{process.pid}\n")
                guard.stdin.flush()
            return process

    Guarded().start()
