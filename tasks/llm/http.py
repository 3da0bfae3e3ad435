"""Requests to a server: one connection, what its response means, and when to try again."""

from __future__ import annotations

import os
import re
import socket
import threading
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import httpx

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.llm.errors import RetryableError, one_line, server_message

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from fusemine.tasks.llm.errors import ServerHints

FIRST_PAUSE, LONGEST_BACKOFF = 1.0, 60.0
"""Seconds before the second attempt, and the most that the pauses grow to by themselves."""
LONGEST_PAUSE = 300.0
"""The most seconds that a server's Retry-After is heeded for."""
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
        self._headers = {"Content-Type": "application/json"}
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

    def post(self, body: bytes) -> Response:
        """Send JSON and wait for the whole response.

        Raises:
            RetryableError: None came.
            ModelError: The address is none.
        """
        self._is_aborted = False
        # httpx bounds each read, and a server that sends a byte now and then never ends.
        timer = threading.Timer(self._seconds, self.abort)
        timer.daemon = True
        timer.start()
        try:
            found = self._client.post(
                self._address,
                content=body,
                headers=self._headers,
                extensions={"trace": self._trace},
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
            raise ModelError(
                got=f"{self._hints.name}.url, and with it {self._address}",
                expected="the address of a server, such as http://127.0.0.1:8080/v1",
                fix=f"correct {self._hints.name}.url",
            ) from None
        except httpx.RequestError as error:
            raise self._retryable(error) from None
        finally:
            timer.cancel()
        if self._is_aborted:  # without a length, a body that was cut looks like a whole one
            raise self._timeout()
        return Response(found.status_code, found.content, found.headers.get("Retry-After"))

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
        return min(float(header), LONGEST_PAUSE)
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_PAUSE)


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
