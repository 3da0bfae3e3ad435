"""A real embeddings server on this machine, which misbehaves where a test wants it to."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Change = Callable[[Body], Any]


def vector_of(text: str, dimension: int) -> list[float]:
    """The vector of a text: the same everywhere, exact in float32, and of no special length."""
    rows = -(-dimension // 16)
    drawn = b"".join(hashlib.sha256(f"{row}/{text}".encode()).digest() for row in range(rows))
    return [number / 2**14 for number in struct.unpack(f"<{16 * rows}h", drawn)[:dimension]]


def tokens_of(text: str) -> int:
    """What the server counts: words."""
    return len(text.split())


@dataclass(frozen=True)
class Misbehaviour:
    """What is done instead of answering well.

    Args:
        status: HTTP status.
        headers: More headers.
        body: Sent as it is.
        change: Makes another answer of the good one.
        how: `hang`, `drop` the connection, `cut` the body, or send it in a `drip`, from its
            headers on or with them at once (`slow`), or a `flood` of blanks that never ends.
        delay: Seconds before that.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    change: Change | None = None
    how: str = ""
    delay: float = 0.0


@dataclass
class EmbeddingServer:
    """What the server is, and which requests it got.

    Args:
        dimension: Length of a vector, where a request asks for none.
        delay: Seconds that any answer takes.
        flooded: Bytes of floods that were sent.
        bodies: The requests, in order of arrival.
        headers: Theirs.
        times: When they came, by the monotonic clock.
        connections: How many were opened.
        most: The most requests that it had at a time.
        url: Its address, up to /v1.
        released: Set when the server ends, so that nothing hangs on.
    """

    dimension: int = 8
    delay: float = 0.0
    flooded: int = 0
    bodies: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    connections: int = 0
    most: int = 0
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    _next: deque[Misbehaviour] = field(default_factory=deque)
    _lock: Any = field(default_factory=threading.Lock)
    _now: int = 0

    def misbehave(self, times: int = 1, **what: Any) -> None:
        """Misbehave at the next requests."""
        self._next.extend([Misbehaviour(**what)] * times)

    def behave(self) -> None:
        """Answer well from now on."""
        self._next.clear()

    def texts(self) -> list[str]:
        """All texts that came, in order."""
        return [text for body in self.bodies for text in body["input"]]

    def take(self, body: Body, headers: dict[str, str]) -> Misbehaviour:
        """Note a request; what to do with it."""
        with self._lock:
            self.bodies.append(body)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            self._now += 1
            self.most = max(self.most, self._now)
            return self._next.popleft() if self._next else Misbehaviour()

    def done(self) -> None:
        with self._lock:
            self._now -= 1

    def answer(self, body: Body) -> Body:
        """The good answer."""
        texts = body["input"]
        dimension = body.get("dimensions", self.dimension)
        data = [
            {"object": "embedding", "index": i, "embedding": vector_of(text, dimension)}
            for i, text in enumerate(texts)
        ]
        tokens = sum(map(tokens_of, texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": body["model"], "data": data, "usage": usage}


class Handler(BaseHTTPRequestHandler):
    """Answers requests, well or as the server is to misbehave."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: EmbeddingServer

    def setup(self) -> None:
        self.state.connections += 1
        super().setup()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        wrong = self.state.take(body, dict(self.headers.items()))
        try:
            time.sleep(self.state.delay + wrong.delay)
            self._respond(body, wrong)
        finally:
            self.state.done()

    def _respond(self, body: Body, wrong: Misbehaviour) -> None:
        if self.path != "/v1/embeddings":
            wrong = Misbehaviour(404, body=b'{"error": {"message": "no such path"}}')
        if wrong.how == "hang":
            self.state.released.wait(30)
        if wrong.how in ("hang", "drop"):
            self._close()
            return
        if wrong.how == "flood":
            self._flood(wrong.status)
        whole = self._whole(body, wrong)
        if wrong.how in ("drip", "slow"):
            self._drip(whole, whole.index(b"\r\n\r\n") + 4 if wrong.how == "slow" else 0)
        else:
            self.wfile.write(whole[: len(whole) - 40] if wrong.how == "cut" else whole)
        if wrong.how:
            self._close()

    def _whole(self, body: Body, wrong: Misbehaviour) -> bytes:
        sent = wrong.body
        if sent is None:
            answer = self.state.answer(body)
            sent = json.dumps(wrong.change(answer) if wrong.change else answer).encode()
        headers = {"Content-Length": str(len(sent)), **wrong.headers}
        lines = [f"HTTP/1.1 {wrong.status} Said", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + sent

    def _drip(self, whole: bytes, at_once: int) -> None:
        self.wfile.write(whole[:at_once])
        for at in range(at_once, len(whole)):
            if self.state.released.wait(0.02):
                return
            self.wfile.write(whole[at : at + 1])

    def _flood(self, status: int) -> None:
        self.wfile.write(f"HTTP/1.1 {status} Said\r\nConnection: close\r\n\r\n".encode())
        while not self.state.released.is_set():  # ends when the client closes
            self.state.flooded += self.wfile.write(b" " * 2**16)

    def _close(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests' output stays clean."""


class Server(ThreadingHTTPServer):
    """Any number of connections at a time."""

    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Clients that give up are no error here; any other is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*_)


@contextmanager
def embedding_server(**state: Any) -> Iterator[EmbeddingServer]:
    """A server on a free port of this machine; its url ends in /v1."""
    running = EmbeddingServer(**state)
    handler = type("Running", (Handler,), {"state": running})
    server = Server(("127.0.0.1", 0), handler)
    running.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
