"""Requests to a server: one connection, what its response means, and when to try again.

A response has bounds, whatever the server does: `Connection` bounds its seconds and its bytes, and
`Patience` how long one request is tried again.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import httpx

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.llm.body import ENCODINGS, ERROR_BYTES, TooLongError, decoded
from fusemine.tasks.llm.errors import RetryableError, one_line, server_message

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence

    from fusemine.tasks.llm.errors import ServerHints

FIRST_PAUSE, LONGEST_BACKOFF = 1.0, 60.0
"""Seconds before the second attempt, and the most that the pauses grow to by themselves."""
SILENT_SECONDS = 10.0
"""After so long without an answer a line of the log says what is waited for."""
LOG = logging.getLogger("fusemine")
_RETRYABLE = {408, 409, 425, 429}
# Longer than anyone waits, and not too long for the clocks of sockets.
_DAY = 86_400.0


@cache
def _tls() -> ssl.SSLContext:
    """What certificates are checked against; reading them takes long."""
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class Response:
    """The whole response to one request; `retry_after` is the header of that name."""

    status: int
    body: bytes
    retry_after: str | None


class Connection:
    """A connection that is opened when needed and kept; for one thread at a time.

    Args:
        address: Where to post.
        key: Sent as a bearer token, to this address alone; None for none.
        seconds: How long a whole response may take.
        hints: What the server's settings are called.
    """

    def __init__(self, address: str, key: str | None, seconds: float, hints: ServerHints) -> None:
        self._address, self._hints = address, hints
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": ENCODINGS}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._seconds = min(seconds, _DAY)
        self._client = httpx.Client(
            timeout=self._seconds,
            verify=_tls(),
            limits=httpx.Limits(max_connections=1),
            follow_redirects=False,
        )
        self._stream: Any = None
        self._is_aborted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def post(self, body: bytes, most: int) -> Response:
        """Send JSON and wait for the whole response.

        Args:
            body: The JSON.
            most: Bytes that the answer may have, decompressed. An error's is cut to less.

        Raises:
            RetryableError: None came.
            ModelError: The address is none, or the answer is longer.
        """
        self._is_aborted = False
        try:
            with self._in_time():
                response = self._receive(body, most)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
            raise ModelError(
                got=f"{self._hints.name}.url, and with it {self._address}",
                expected="the address of a server, such as http://127.0.0.1:8080/v1",
                fix=f"correct {self._hints.name}.url",
            ) from None
        except TooLongError:
            raise ModelError(
                got=f"an answer from {self._address} of more than {most:,} bytes",
                expected="an answer of the size that was asked for",
                fix=f"see that {self._hints.name}.url is that of the right server",
            ) from None
        except httpx.RequestError as error:
            raise self._retryable(error) from None
        if self._is_aborted:  # without a length, a body that was cut looks like a whole one
            raise self._timeout()
        return response

    def _receive(self, body: bytes, most: int) -> Response:
        with self._client.stream(
            "POST",
            self._address,
            content=body,
            headers=self._headers,
            extensions={"trace": self._trace},
        ) as found:
            # Of an error only the message is read, which is short, and the rest is not awaited.
            bound = most if found.is_success else ERROR_BYTES
            content = decoded(found, bound, cut=not found.is_success)
            return Response(found.status_code, content, found.headers.get("Retry-After"))

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Abort what takes too long, and log before that what is waited for."""
        # httpx bounds each read, and a server that sends a byte now and then never ends.
        timers = [threading.Timer(self._seconds, self.abort)]
        if self._seconds > SILENT_SECONDS:
            timers.append(threading.Timer(SILENT_SECONDS, self._log_waiting))
        for timer in timers:
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            for timer in timers:
                timer.cancel()

    def _log_waiting(self) -> None:
        LOG.warning(
            "no answer from %s for %g s; waiting for %g s at most (%s.timeout_seconds)",
            self._address, SILENT_SECONDS, self._seconds, self._hints.name,
        )  # fmt: skip

    def abort(self) -> None:
        """End what is being sent or received; any thread may."""
        self._is_aborted = True
        if self._stream is not None:
            # Closing does not wake the thread that reads, and TLS has its own idea of an end.
            with suppress(OSError):
                socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)

    def _trace(self, _: str, info: dict[str, Any]) -> None:
        """Keep the stream of a new connection, in clear or with TLS on top, as httpx reports it."""
        stream = info.get("return_value")
        if hasattr(stream, "get_extra_info"):
            self._stream = stream
            if self._is_aborted:
                self.abort()

    def _retryable(self, error: httpx.RequestError) -> RetryableError:
        if self._is_aborted or isinstance(error, httpx.TimeoutException):
            return self._timeout()
        if isinstance(error, httpx.ConnectError):
            return RetryableError(
                f"no connection to {self._address} ({one_line(str(error))})",
                f"start the server, or correct {self._hints.name}.url",
            )
        # The text of such an error may quote what came.
        return RetryableError(
            f"a broken answer from {self._address} ({type(error).__name__})",
            f"see what the server's log says, or {self._hints.lighten}",
        )

    def _timeout(self) -> RetryableError:
        return RetryableError(
            f"no whole answer from {self._address} within {self._seconds:g} s",
            f"raise {self._hints.name}.timeout_seconds, or {self._hints.lighten}",
        )


def raise_for_status(
    response: Response, address: str, secrets: Sequence[str], hints: ServerHints
) -> None:
    """Let pass what may be an answer.

    Args:
        response: What came.
        address: Where from.
        secrets: What was sent; none of it is shown, even if the server repeats it.
        hints: What the server's settings are called.

    Raises:
        RetryableError: The server may answer later.
        ModelError: It will not.
    """
    status = response.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise ModelError(
            got=f"status {status} from {address}, which sends on to another address",
            expected="a server that answers itself; the key goes nowhere else",
            fix=f"set {hints.name}.url to the address that answers",
        )
    got = f"status {status} from {address}{server_message(response.body, secrets)}"
    if status in _RETRYABLE or status >= 500:
        raise RetryableError(got, _fix(status, hints), retry_after_seconds(response.retry_after))
    raise ModelError(got=got, expected=hints.expected, fix=_fix(status, hints))


def _fix(status: int, hints: ServerHints) -> str:
    name = hints.name
    if status in (401, 403):
        return f"set the key that {name}.api_key_env or api_key_block names, or its rights"
    if status in (404, 405):
        return f"correct {name}.url, up to /v1, or {hints.model}"
    if status in (400, 413, 422):
        return hints.too_long
    if status == 429:
        return f"{hints.too_often}, and see that the account has credit"
    if status >= 500:
        return f"see what the server's log says, or {hints.lighten}; then run again"
    return f"see what the server's log says, and correct {name}"


def retry_after_seconds(header: str | None) -> float | None:
    """The seconds of a Retry-After header, a number or an HTTP date; None without one.

    >>> retry_after_seconds("20"), retry_after_seconds("soon")
    (20.0, None)
    """
    if header is None:
        return None
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", header.strip()):
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(seconds, 0.0)


def backoff_seconds(attempt: int, number: int, error: RetryableError) -> float:
    """Seconds until the next attempt: twice as long each time, or what the server asks for.

    Up to half is taken off, by request and process, so that requests do not all come at once.

    Args:
        attempt: How many there have been, from 1 on.
        number: The request's among all.
        error: What came of the last attempt.
    """
    longest = min(FIRST_PAUSE * 2.0 ** min(attempt - 1, 10), LONGEST_BACKOFF)
    share = zlib.crc32(f"{os.getpid()}/{number}/{attempt}".encode()) / 2**32
    return max(longest * (1 - share / 2), error.retry_after or 0.0)


class Patience:
    """How often and how long one request is tried again.

    Args:
        attempts: How many there may be.
        seconds: No further attempt begins so long after the first failure.
        place: The setting that says so.
        number: The request's among all.
    """

    def __init__(self, attempts: int, seconds: float, place: str, number: int) -> None:
        self._attempts, self._seconds, self._place = attempts, seconds, place
        self._number = number
        self._until: float | None = None
        self._attempt = 0

    def pause(self, failure: RetryableError, expected: str) -> float:
        """Seconds until the next attempt, which a line of the log announces.

        Raises:
            ModelError: There is none.
        """
        now = time.monotonic()
        self._until = now + self._seconds if self._until is None else self._until
        self._attempt += 1
        if self._attempt >= self._attempts:
            raise ModelError(
                got=f"{failure.got}, at the last of {self._attempts} attempts",
                expected=expected,
                fix=failure.fix,
            )
        seconds, left = backoff_seconds(self._attempt, self._number, failure), self._until - now
        if seconds > left:
            raise self._over(failure, seconds, max(left, 0.0))
        LOG.warning(
            "%s; attempt %d of %d in %.1f s (trying for %.0f s more at most, %s)",
            failure.got, self._attempt + 1, self._attempts, seconds, left, self._place,
        )  # fmt: skip
        return seconds

    def _over(self, failure: RetryableError, seconds: float, left: float) -> ModelError:
        if failure.retry_after is not None and failure.retry_after >= seconds:
            asked = "for ever" if seconds == float("inf") else f"for {seconds:,.0f} s"
            return ModelError(
                got=f"{failure.got}, and a wait {asked} asked for",
                expected=f"an answer within {self._seconds:g} s ({left:.0f} s of them left)",
                fix=f"run again then, when what is complete is reused, or raise {self._place}",
            )
        return ModelError(
            got=f"{failure.got}, at the last of {self._attempt} attempts",
            expected=f"an answer within {self._seconds:g} s",
            fix=f"{failure.fix}, or raise {self._place}",
        )
