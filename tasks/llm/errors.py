"""What is said of a server that gives no answer, and whether it is asked again."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.llm.retries import AgainError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.llm.http import Reply
    from fusemine.tasks.llm.section import Section

LONGEST = 200
LONGEST_PAUSE = 300.0
_FOR_NOW = {408, 409, 425, 429}
# Shared runs of so many characters are no chance; whole texts are hidden from the other number on.
_RUN = 12
_SHORTEST = 4


def check(reply: Reply, address: str, secrets: Sequence[str], section: Section) -> None:
    """Let pass what may be an answer.

    Args:
        reply: What came.
        address: Where from.
        secrets: What was sent; none of it is shown, even if the server repeats it.
        section: What the server's settings are called.

    Raises:
        AgainError: The server may answer later.
        ModelError: It will not.
    """
    status = reply.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise ModelError(
            got=f"status {status} from {address}, which sends on to another address",
            expected="a server that answers itself; the key goes nowhere else",
            fix=f"set {section.name}.url to the address that answers",
        )
    came = f"status {status} from {address}{quoted(reply.body, secrets)}"
    if status in _FOR_NOW or status >= 500:
        raise AgainError(came, _fix(status, section), seconds_to_wait(reply.retry_after))
    raise ModelError(got=came, expected=section.expected, fix=_fix(status, section))


def _fix(status: int, section: Section) -> str:
    name = section.name
    if status in (401, 403):
        return f"set the key that {name}.api_key_env or api_key_block names, or its rights"
    if status in (404, 405):
        return f"correct {name}.url, up to /v1, or {section.model}"
    if status in (400, 413, 422):
        return section.too_long
    if status == 429:
        return f"{section.too_often}, and see that the account has credit"
    if status >= 500:
        return f"see what the server's log says, or {section.lighten}; then run again"
    return f"see what the server's log says, and correct {name}"


def seconds_to_wait(header: str | None) -> float | None:
    """The seconds that a Retry-After asks for, as a number or as an HTTP date; None without one."""
    if header is None:
        return None
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", header.strip()):
        return min(float(header), LONGEST_PAUSE)
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def quoted(body: bytes, secrets: Sequence[str]) -> str:
    """What a server says of an error, to follow a sentence, or nothing."""
    try:
        said = _message(json.loads(body))
    except (ValueError, RecursionError):
        said = body.decode("utf-8", "replace")
    # Cut first as well: what is hidden must not let more come into view than is looked at.
    shown = tidy(_hide(said[: 4 * LONGEST], secrets))
    return f', which says "{shown}"' if shown else ""


def _message(told: Any) -> str:
    """The message in an error as OpenAI, vLLM, FastAPI and others form it."""
    if isinstance(told, str):
        return told
    if isinstance(told, list):
        return _message(told[0]) if told else ""
    if isinstance(told, dict):
        inner = (told[name] for name in ("error", "message", "detail", "msg") if name in told)
        return next(filter(None, map(_message, inner)), "")
    return ""


def tidy(text: str) -> str:
    """Printable characters alone, on one line and cut to a readable length."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:LONGEST]


def _hide(said: str, secrets: Sequence[str]) -> str:
    """What was said, with dots for all that it repeats of the secrets, escaped or not."""
    # However often it was escaped, it is compared as if once.
    said = _escaped_once(said)
    escaped = (json.dumps(secret)[1:-1] for secret in secrets)
    every = {_escaped_once(secret) for secret in (*secrets, *escaped)}
    sent = "\0".join(every)
    shown = list(said)
    for first in range(len(said) - _RUN + 1):
        if said[first : first + _RUN] in sent:
            shown[first : first + _RUN] = "…" * _RUN
    hidden = "".join(shown)
    for short in sorted((s for s in every if _SHORTEST <= len(s) < _RUN), key=len, reverse=True):
        hidden = hidden.replace(short, "…")
    return re.sub("…+", "…", hidden)


def _escaped_once(text: str) -> str:
    return re.sub(r"\\+", r"\\", text)
