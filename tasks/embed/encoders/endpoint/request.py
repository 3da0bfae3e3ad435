"""Asking an embeddings server for many texts: some requests at a time, and again where it helps."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.endpoint.rate import Limiter
from fusemine.tasks.embed.encoders.endpoint.response import SECTION, Answer, read_answer
from fusemine.tasks.llm.api_key import sendable
from fusemine.tasks.llm.errors import check
from fusemine.tasks.llm.http import Line
from fusemine.tasks.llm.retries import AgainError, before_next

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.embed.settings import EndpointSettings

# So long after another request has failed, one that waits notices.
_STEP = 1.0


@dataclass(frozen=True)
class Batch:
    """Texts of one request.

    Args:
        first: The number of the first one among all.
        texts: The texts.
        tokens: Their estimated tokens.
    """

    first: int
    texts: list[str]
    tokens: int


Take = Callable[[Batch, Answer], None]
"""Given each batch with its answer, in the order of the answers."""


class Asker:
    """Sends batches to a server.

    Args:
        model: What the server knows the model by.
        endpoint: How to ask.
        key: The API key, or None.
        pause: Waits for so many seconds.

    Attributes:
        address: Where requests go.
        tokens_used: What the server has counted so far.

    Raises:
        ModelError: The key cannot be sent.
    """

    def __init__(
        self,
        model: str,
        endpoint: EndpointSettings,
        key: str | None,
        pause: Callable[[float], None],
    ) -> None:
        self._model, self._endpoint, self._pause = model, endpoint, pause
        self._key = None if key is None else sendable(key, SECTION)
        self.address = f"{endpoint.url.rstrip('/')}/embeddings"
        self.tokens_used = 0
        self._limiter = Limiter(endpoint.requests_per_minute, endpoint.tokens_per_minute)
        self._lock = Lock()

    def ask_all(self, batches: Sequence[Batch], dimension: int | None, take: Take) -> None:
        """Ask for all batches.

        Args:
            batches: What to ask for.
            dimension: Length of a vector; None where any will do.
            take: Given each answer, in the calling thread.

        Raises:
            ModelError: One request has failed for good; all others are given up.
        """
        if not batches:
            return
        stop = Event()
        idle: SimpleQueue[Line] = SimpleQueue()
        with ExitStack() as stack:
            lines = [stack.enter_context(self._line()) for _ in batches[: self._endpoint.parallel]]
            for line in lines:
                idle.put(line)
            executor = stack.enter_context(ThreadPoolExecutor(len(lines)))
            asked = {executor.submit(self._ask, b, dimension, idle, stop): b for b in batches}
            try:
                for future in as_completed(asked):
                    take(asked[future], future.result())
            except BaseException:  # Ctrl-C too must not wait for the rest
                stop.set()
                executor.shutdown(wait=False, cancel_futures=True)
                for line in lines:
                    line.cut()
                raise

    def _line(self) -> Line:
        return Line(self.address, self._key, self._endpoint.timeout_seconds, SECTION)

    def _ask(
        self, batch: Batch, dimension: int | None, idle: SimpleQueue[Line], stop: Event
    ) -> Answer:
        """Ask until an answer comes, or as often as is allowed."""
        line = idle.get()
        failure = AgainError("", "")
        try:
            for attempt in range(self._endpoint.attempts):
                if attempt:
                    self._wait(before_next(attempt, batch.first, failure), stop)
                try:
                    return self._ask_once(batch, dimension, line, stop)
                except AgainError as error:
                    failure = error
        finally:
            idle.put(line)
        raise ModelError(
            got=f"{failure.came}, at the last of {self._endpoint.attempts} attempts",
            expected=SECTION.expected,
            fix=failure.fix,
        )

    def _ask_once(self, batch: Batch, dimension: int | None, line: Line, stop: Event) -> Answer:
        turn = self._limiter.turn(batch.tokens)
        self._wait(turn.wait, stop)
        reply = line.post(self._body(batch.texts))
        secrets = [*batch.texts, *filter(None, [self._key])]
        check(reply, self.address, secrets, SECTION)
        answer = read_answer(reply.body, len(batch.texts), dimension, secrets)
        self._limiter.settle(turn, answer.tokens)
        with self._lock:
            self.tokens_used += answer.tokens
        return answer

    def _body(self, texts: list[str]) -> bytes:
        asked: dict[str, Any] = {"model": self._model, "input": texts, "encoding_format": "float"}
        if self._endpoint.dimensions is not None:
            asked["dimensions"] = self._endpoint.dimensions
        # Half a surrogate pair is no UTF-8, and servers refuse one that is escaped.
        return json.dumps(asked, ensure_ascii=False).encode("utf-8", "replace")

    def _wait(self, seconds: float, stop: Event) -> None:
        """Wait, unless another request has failed."""
        while seconds > 0 and not stop.is_set():
            self._pause(min(seconds, _STEP))
            seconds -= _STEP
        if stop.is_set():
            raise CancelledError
