"""Reading the answer of a server that was asked for a name; it is believed in nothing."""

from __future__ import annotations

import json
import re
from typing import Any

from fusemine.tasks.llm.retries import AgainError

_FIX = "see that topics.naming.url is that of an OpenAI-compatible server, up to /v1"
_FENCE = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)


def read_answer(body: bytes) -> str:
    """What the model has said; empty where the answer is JSON of another form.

    Of a text that the model went on with, the first line: a server may not know where to stop.

    Raises:
        AgainError: The answer is no JSON, or not all of it.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise AgainError("an answer that is no JSON, or not all of it", _FIX) from None
    choice = _first(_of(told, "choices"))
    said, text = _of(_of(choice, "message"), "content"), _of(choice, "text")
    if isinstance(text, str):
        return text.strip().partition("\n")[0]
    return said if isinstance(said, str) else ""


def name_in(said: str) -> str:
    """The name in what the model has said: in JSON, or a line; empty where there is none."""
    said = said.strip()
    fenced = _FENCE.fullmatch(said)
    inner = fenced[1] if fenced else said
    if not inner.startswith("{"):
        return inner if len(inner.splitlines()) == 1 else ""
    try:
        name = _of(json.loads(inner), "name")
    except (ValueError, RecursionError):
        return ""
    return name if isinstance(name, str) else ""


def _of(told: Any, key: str) -> Any:
    return told.get(key) if isinstance(told, dict) else None


def _first(told: Any) -> Any:
    return told[0] if isinstance(told, list) and told else None
