"""Asking a language model for names: one at a time, not for ever, and not in vain."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.llm.api_key import key_of
from fusemine.tasks.llm.errors import check
from fusemine.tasks.llm.http import Line
from fusemine.tasks.llm.retries import AgainError, before_next
from fusemine.tasks.llm.section import Section
from fusemine.tasks.mine.topic_chain.naming.prompt import requests
from fusemine.tasks.mine.topic_chain.naming.response import read_answer
from fusemine.tasks.mine.topic_chain.naming.subject import shown_terms, shown_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusemine.tasks.mine.topic_chain.naming.subject import Subject
    from fusemine.tasks.mine.topics.settings import NamingSettings

SECTION = Section(
    name="topics.naming",
    model="topics.naming.model or api",
    expected="an answer with a name",
    too_long="see that the server has topics.naming.model and that it reads some 2,000 tokens",
    too_often="run again later, when what has been named is kept",
    lighten="choose a smaller topics.naming.model",
)
PATIENCE = 3
"""Refused in a row so often, each time for another subject, the client gives up."""
_REFUSED = (400, 422)
_LEAST = 0.01


class _RefusedError(Exception):
    """The server does not take a request, though it may take another.

    Args:
        error: What to say of it.
    """

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
        self,
        settings: NamingSettings,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.trouble: str | None = None
        self._settings, self._pause = settings, pause
        path = "completions" if settings.api == "completions" else "chat/completions"
        self._address = f"{settings.url.rstrip('/')}/{path}"
        self._end = time.monotonic() + settings.total_seconds
        self._form = self._refused = self._asked = 0
        self._is_over = False

    def ask(self, subject: Subject) -> str | None:
        """What the model says of a subject; None where no answer comes, or would come."""
        if self._is_over:
            return None
        self._asked += 1
        try:
            said = self._ask(subject)
        except _RefusedError as refusal:
            self._refused += 1
            self._fail(refusal.error, for_good=self._refused >= PATIENCE)
        except ModelError as error:
            self._fail(error, for_good=True)
        else:
            self._refused = 0
            return said
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
                return self._answer(forms[self._form], secrets)
            except _RefusedError:
                self._form += 1
                if self._form == len(forms):
                    self._form = first
                    raise

    def _answer(self, asked: dict[str, Any], secrets: list[str]) -> str:
        """Ask until an answer comes, or as often and as long as is allowed."""
        failure = AgainError(
            f"no answer for every topic within {self._settings.total_seconds:g} s",
            "raise topics.naming.total_seconds, or run again: what has been named is kept",
        )
        for attempt in range(self._settings.attempts):
            seconds = before_next(attempt, self._asked, failure) if attempt else 0.0
            if seconds >= self._left():
                break
            self._pause(seconds)
            try:
                return self._answer_once(asked, secrets)
            except AgainError as error:
                failure = error
        raise ModelError(got=failure.came, expected=SECTION.expected, fix=failure.fix)

    def _answer_once(self, asked: dict[str, Any], secrets: list[str]) -> str:
        key = key_of(self._settings, SECTION)
        seconds = max(min(self._settings.timeout_seconds, self._left()), _LEAST)
        with Line(self._address, key, seconds, SECTION) as line:
            reply = line.post(json.dumps(asked).encode())
        try:
            check(reply, self._address, [*secrets, *filter(None, [key])], SECTION)
        except ModelError as error:
            raise _RefusedError(error) if reply.status in _REFUSED else error from None
        return read_answer(reply.body)

    def _left(self) -> float:
        """Seconds that are left for all names."""
        return self._end - time.monotonic()
