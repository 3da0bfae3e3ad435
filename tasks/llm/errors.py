"""Errors of a server that gives no answer, and the messages that users see of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = 200
"""Characters of a server's own message that are shown."""
# Shared runs of so many characters are no chance; whole texts are hidden from the other number on.
_RUN = 12
_SHORTEST = 4


class RetryableError(Exception):
    """No answer this time; another attempt may bring one.

    Args:
        got: What came instead.
        fix: What to do if it keeps coming.
        retry_after: Seconds that the server asks to wait; None where it does not.
    """

    def __init__(self, got: str, fix: str, retry_after: float | None = None) -> None:
        super().__init__(got)
        self.got, self.fix, self.retry_after = got, fix, retry_after


@dataclass(frozen=True)
class ServerHints:
    """What the settings of a server are called, and what to do about its failures.

    Args:
        name: Its section of the pipeline.yaml, such as `embed.endpoint`.
        model: The setting that names the model.
        expected: What an answer should have been.
        too_long: What to do if the model cannot read a request.
        too_often: What to do if the server does not take so many requests.
        lighten: What makes it easier for a server that breaks down or is late.
    """

    name: str
    model: str
    expected: str
    too_long: str
    too_often: str
    lighten: str


def server_message(body: bytes, secrets: Sequence[str]) -> str:
    """A server's own message in an error response, to follow a sentence; or nothing.

    Args:
        body: The response.
        secrets: What was sent; none of it is shown, even if the server repeats it.

    >>> server_message(b'{"error": {"message": "no such model"}}', [])
    ', which says "no such model"'
    """
    try:
        message = _message(json.loads(body))
    except (ValueError, RecursionError):
        message = body.decode("utf-8", "replace")
    # Cut first as well: hiding shortens a message, and must not bring more of it into view.
    shown = one_line(_hide(message[: 4 * LONGEST], secrets))
    return f', which says "{shown}"' if shown else ""


def one_line(text: str) -> str:
    """Printable characters alone, on one line and cut to a readable length."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:LONGEST]


def _message(value: Any) -> str:
    """The message in an error as OpenAI, vLLM, FastAPI and others form it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return _message(value[0]) if value else ""
    if isinstance(value, dict):
        inner = (value[name] for name in ("error", "message", "detail", "msg") if name in value)
        return next(filter(None, map(_message, inner)), "")
    return ""


def _hide(message: str, secrets: Sequence[str]) -> str:
    """The message with dots for all that it repeats of the secrets, escaped or not."""
    # A server may escape what it repeats several times over; both sides are compared as if once.
    message = _escaped_once(message)
    escaped = (json.dumps(secret)[1:-1] for secret in secrets)
    every = {_escaped_once(secret) for secret in (*secrets, *escaped)}
    sent = "\0".join(every)
    shown = list(message)
    for first in range(len(message) - _RUN + 1):
        if message[first : first + _RUN] in sent:
            shown[first : first + _RUN] = "…" * _RUN
    hidden = "".join(shown)
    for short in sorted((s for s in every if _SHORTEST <= len(s) < _RUN), key=len, reverse=True):
        hidden = hidden.replace(short, "…")
    return re.sub("…+", "…", hidden)


def _escaped_once(text: str) -> str:
    return re.sub(r"\\+", r"\\", text)
