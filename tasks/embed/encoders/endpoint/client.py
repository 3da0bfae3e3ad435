"""An embeddings server's client: several requests at a time, sent again where that helps."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Any

from fusemine.tasks.embed.encoders.endpoint.plausible import refuse_empty
from fusemine.tasks.embed.encoders.endpoint.rate import RateLimiter
from fusemine.tasks.embed.encoders.endpoint.response import (
    HINTS,
    Embeddings,
    most_bytes,
    read_response,
)
from fusemine.tasks.llm.api_key import checked_api_key
from fusemine.tasks.llm.errors import RetryableError
from fusemine.tasks.llm.http import Connection, Patience, raise_for_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.embed.settings import EndpointSettings

# A request that waits notices within so many seconds that another one has failed.
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


OnResponse = Callable[[Batch, Embeddings], None]
"""Called with each batch and its vectors, in the order of the responses."""


class EmbeddingClient:
    """Sends batches to a server.

    Args:
        model: What the server knows the model by.
        endpoint: Where the server is, and how much it is sent.
        api_key: The API key, or None.
        pause: Waits for so many seconds.

    Raises:
        ModelError: The key cannot be sent.
    """

    def __init__(
        self,
        model: str,
        endpoint: EndpointSettings,
        api_key: str | None,
        pause: Callable[[float], None],
    ) -> None:
        self._model, self._endpoint, self._pause = model, endpoint, pause
        self._key = None if api_key is None else checked_api_key(api_key, HINTS)
        self._address = f"{endpoint.url.rstrip('/')}/embeddings"
        self._limiter = RateLimiter(endpoint.requests_per_minute, endpoint.tokens_per_minute)

    def send_all(
        self, batches: Sequence[Batch], dimension: int | None, on_response: OnResponse
    ) -> None:
        """Get the vectors of all batches.

        Args:
            batches: What to send.
            dimension: Length of a vector; None where any will do.
            on_response: Called for each batch, in the calling thread.

        Raises:
            ModelError: One request has failed for good; all others are given up.
        """
        if not batches:
            return
        stop, idle = Event(), SimpleQueue[Connection]()
        seconds = self._endpoint.timeout_seconds
        with ExitStack() as stack:
            connections = [
                stack.enter_context(Connection(self._address, self._key, seconds, HINTS))
                for _ in batches[: self._endpoint.parallel]
            ]
            for connection in connections:
                idle.put(connection)
            executor = stack.enter_context(ThreadPoolExecutor(len(connections)))
            sent = {executor.submit(self._send, b, dimension, idle, stop): b for b in batches}
            try:
                for future in as_completed(sent):
                    on_response(sent[future], future.result())
            except BaseException:  # Ctrl-C too must not wait for the rest
                stop.set()
                executor.shutdown(wait=False, cancel_futures=True)
                for connection in connections:
                    connection.abort()
                raise

    def _send(
        self, batch: Batch, dimension: int | None, idle: SimpleQueue[Connection], stop: Event
    ) -> Embeddings:
        """Send a batch until its vectors come, or as often and as long as is allowed."""
        connection, endpoint = idle.get(), self._endpoint
        place = f"{HINTS.name}.retry_seconds"
        patience = Patience(endpoint.attempts, endpoint.retry_seconds, place, batch.first)
        try:
            while True:
                try:
                    return self._send_once(batch, dimension, connection, stop)
                except RetryableError as error:
                    pause = patience.pause(error, HINTS.expected)
                self._wait(pause, stop)
        finally:
            idle.put(connection)

    def _send_once(
        self, batch: Batch, dimension: int | None, connection: Connection, stop: Event
    ) -> Embeddings:
        slot = self._limiter.reserve(batch.tokens)
        self._wait(slot.wait, stop)
        most = most_bytes(len(batch.texts), dimension)
        response = connection.post(self._body(batch.texts), most)
        secrets = [*batch.texts, *filter(None, [self._key])]
        raise_for_status(response, self._address, secrets, HINTS)
        found = read_response(response.body, len(batch.texts), dimension, secrets)
        refuse_empty(found.vectors, batch.texts)
        self._limiter.record(slot, found.tokens)
        return found

    def _body(self, texts: list[str]) -> bytes:
        body: dict[str, Any] = {"model": self._model, "input": texts, "encoding_format": "float"}
        if self._endpoint.dimensions is not None:
            body["dimensions"] = self._endpoint.dimensions
        # Half a surrogate pair is no UTF-8, and servers refuse one that is escaped.
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")

    def _wait(self, seconds: float, stop: Event) -> None:
        """Wait, unless another request has failed."""
        while seconds > 0 and not stop.is_set():
            self._pause(min(seconds, _STEP))
            seconds -= _STEP
        if stop.is_set():
            raise CancelledError
