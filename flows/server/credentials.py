"""What a client of a local server has to present, and where commands of this machine find it.

A server that `fusemine ui` starts keeps its credential in a file that only its user can read, so
that other commands find it; that of a temporary server stays in the memory of its run. Neither is
ever an argument of a process or printed.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fusemine.flows.server.gate import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = "PREFECT_API_AUTH_STRING"
"""Environment variable with what Prefect's clients present."""


def new_credential() -> str:
    """A credential, as Prefect has it: a user and a password."""
    return f"fusemine:{secrets.token_urlsafe(24)}"


def closed(credential: str) -> dict[str, str]:
    """What the environment of a closed server and of its clients holds."""
    return {
        "PREFECT_SERVER_API_AUTH_STRING": credential,
        CLIENT: credential,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    }


def credential_file(home: Path, port: int) -> Path:
    """Where the credential of the server at a port of this machine is kept."""
    return home / "fusemine-ui" / f"credential-{port}"


def kept_credential(home: Path, port: int) -> str:
    """The credential of the server at a port; the same at each start, so that browsers know it."""
    file = credential_file(home, port)
    found = _read(file)
    if found:
        file.chmod(0o600)
        return found
    made, draft = new_credential(), file.with_name(f".{file.name}-{os.getpid()}")
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(f"{made}\n")
    draft.replace(file)
    return made


def present_credential() -> None:
    """Have this process present the credential of the server that PREFECT_API_URL names.

    Only for a server of this machine that `fusemine ui` started with the same Prefect home, and
    only where no other is set.
    """
    found = _fitting()
    if found:
        os.environ[CLIENT] = found
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def _fitting() -> str:
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.auth_string or settings.api.key:
        return ""
    try:
        url = urlsplit(settings.api.url or "")
        port = url.port or 80
    except ValueError:  # an address that the client itself will refuse
        return ""
    return _read(credential_file(settings.home, port)) if url.hostname in LOOPBACK else ""


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):  # there is none, or it is another user's or damaged
        return ""
