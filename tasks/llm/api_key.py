"""The API key of a server: where it is, and whether it can be sent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import ModelError

if TYPE_CHECKING:
    from fusemine.tasks.llm.errors import ServerHints
    from fusemine.tasks.llm.settings import ServerSettings


def read_api_key(server: ServerSettings, hints: ServerHints) -> str | None:
    """The key that a server's settings name; None where they name none.

    Args:
        server: The settings.
        hints: What they are called.

    Raises:
        ModelError: There is none where the settings say, or it cannot be sent.
    """
    place = server.api_key_env or server.api_key_block
    if not place:
        return None
    key = os.environ.get(place) if server.api_key_env else _in_block(place)
    if not key:
        kind = "environment variable" if server.api_key_env else "Prefect Secret block"
        raise ModelError(
            got=f"no key in the {kind} {place!r} that {hints.name} names",
            expected="the key of the endpoint there",
            fix=f"set the {kind}, or name the place where the key is",
        )
    return checked_api_key(key, hints)


def checked_api_key(key: str, hints: ServerHints) -> str:
    """The key without space around it; an HTTP library would quote one that it cannot send.

    Raises:
        ModelError: It cannot be sent.
    """
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ModelError(
            got="an API key that is empty or holds characters that no HTTP header may",
            expected="printable ASCII characters on one line",
            fix=f"correct what {hints.name}.api_key_env or api_key_block names",
        )
    return key


def _in_block(name: str) -> str | None:
    from fusemine.tasks.core.task import secret  # which needs Prefect, for its blocks

    return secret(name)
