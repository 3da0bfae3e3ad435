"""Asking a language model for names: one at a time, for a bounded time, and not in vain."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.llm.api_key import read_api_key
from fusemine.tasks.llm.errors import RetryableError, ServerHints
from fusemine.tasks.llm.http import LOG, Connection, backoff_seconds, raise_for_status
from fusemine.tasks.mine.topic_chain.naming.prompt import requests
from fusemine.tasks.mine.topic_chain.naming.subject import shown_terms, shown_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusemine.tasks.mine.topic_chain.naming.subject import Subject
    from fusemine.tasks.mine.topic_chain.settings import NamingSettings

HINTS = ServerHints(
    name="topics.naming",
    model="topics.naming.model or api",
    expected="an answer with a name",
    too_long="see that the server has topics.naming.model and that it reads some 2,000 tokens",
    too_often="run again later, when what has been named is kept",
    lighten="choose a smaller topics.naming.model",
)
PATIENCE = 3
"""After so many refused requests in a row, each for another subject, the client gives up."""
_REFUSED = (400, 422)
_LEAST_SECONDS = 0.01
_ANSWER_BYTES, _TOKEN_BYTES = 2**20, 64
_FIX = "see that topics.naming.url is that of an OpenAI-compatible server, up to /v1"
_FENCE = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)


class _RefusedError(Exception):
    """The server does not take a request, though it may take another; with what to report."""

    def __init__(self, error: ModelError) -> None:
        super().__init__(error.got)
        self.error = error


class Client:
    """Asks for names until something fails that would fail for the other subjects as well.

    Args:
        settings: Whom to ask, and how.
        pause: Waits for so many seconds.

    Attributes:
        trouble: Why there is no answer, of the first subject without one; None where all have.
    """

    def __init__(
        self, settings: NamingSettings, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.trouble: str | None = None
        self._settings, self._pause = settings, pause
        path = "completions" if settings.api == "completions" else "chat/completions"
        self._address = f"{settings.url.rstrip('/')}/{path}"
        self._end = time.monotonic() + settings.total_seconds
        self._form = self._refused = self._asked = 0
        self._is_over = False

    def ask(self, subject: Subject) -> str | None:
        """The model's answer for a subject; None where no answer comes, or would come."""
        if self._is_over:
            return None
        self._asked += 1
        try:
            answer = self._ask(subject)
        except _RefusedError as refusal:
            self._refused += 1
            self._fail(refusal.error, for_good=self._refused >= PATIENCE)
        except ModelError as error:
            self._fail(error, for_good=True)
        else:
            self._refused = 0
            return answer
        return None

    def _fail(self, error: ModelError, for_good: bool) -> None:
        self.trouble = self.trouble or f"{error.got}; {error.fix}"
        self._is_over = for_good

    def _ask(self, subject: Subject) -> str:
        """Ask in the form that the server has taken before, or else in the first that it takes."""
        forms = requests(subject, self._settings)
        secrets = [*shown_texts(subject), *shown_terms(subject)]
        first = self._form
        while True:
            try:
                return self._retried(forms[self._form], secrets)
            except _RefusedError:
                self._form += 1
                if self._form == len(forms):
                    self._form = first
                    raise

    def _retried(self, request: dict[str, Any], secrets: list[str]) -> str:
        """Ask until an answer comes, or as often and as long as is allowed."""
        failure = RetryableError(
            f"no answer for every topic within {self._settings.total_seconds:g} s",
            "raise topics.naming.total_seconds, or run again: what has been named is kept",
        )
        for attempt in range(self._settings.attempts):
            seconds = backoff_seconds(attempt, self._asked, failure) if attempt else 0.0
            if seconds >= self._seconds_left():
                break
            self._log(failure, seconds, attempt)
            self._pause(seconds)
            try:
                return self._send(request, secrets)
            except RetryableError as error:
                failure = error
        raise ModelError(got=failure.got, expected=HINTS.expected, fix=failure.fix)

    def _send(self, request: dict[str, Any], secrets: list[str]) -> str:
        key = read_api_key(self._settings, HINTS)
        seconds = max(min(self._settings.timeout_seconds, self._seconds_left()), _LEAST_SECONDS)
        with Connection(self._address, key, seconds, HINTS) as connection:
            response = connection.post(json.dumps(request).encode(), self._most_bytes())
        try:
            raise_for_status(response, self._address, [*secrets, *filter(None, [key])], HINTS)
        except ModelError as error:
            raise _RefusedError(error) if response.status in _REFUSED else error from None
        return read_answer(response.body)

    def _log(self, failure: RetryableError, seconds: float, attempt: int) -> None:
        if attempt:
            LOG.warning(
                "%s; attempt %d of %d in %.1f s (%.0f s left for all names, %s.total_seconds)",
                failure.got, attempt + 1, self._settings.attempts, seconds, self._seconds_left(),
                HINTS.name,
            )  # fmt: skip

    def _most_bytes(self) -> int:
        """What an answer may have; some models send as much of their thoughts as they like."""
        return _ANSWER_BYTES + _TOKEN_BYTES * self._settings.max_tokens

    def _seconds_left(self) -> float:
        return self._end - time.monotonic()


def read_answer(body: bytes) -> str:
    """The model's answer in a response; empty where the response is JSON of another form.

    Of a text that the model went on with, the first line: a server may not know where to stop.

    Raises:
        RetryableError: The response is no JSON, or not all of it.
    """
    try:
        response = json.loads(body)
    except (ValueError, RecursionError):
        raise RetryableError("an answer that is no JSON, or not all of it", _FIX) from None
    choices = _get(response, "choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    content, text = _get(_get(choice, "message"), "content"), _get(choice, "text")
    if isinstance(text, str):
        return text.strip().partition("\n")[0]
    return content if isinstance(content, str) else ""


def name_in(answer: str) -> str:
    r"""The name in a model's answer: in JSON, or a line; empty where there is none.

    >>> name_in('```json\n{"name": "Late parcels"}\n```')
    'Late parcels'
    """
    answer = answer.strip()
    fenced = _FENCE.fullmatch(answer)
    inner = fenced[1] if fenced else answer
    if not inner.startswith("{"):
        return inner if len(inner.splitlines()) == 1 else ""
    try:
        name = _get(json.loads(inner), "name")
    except (ValueError, RecursionError):
        return ""
    return name if isinstance(name, str) else ""


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
