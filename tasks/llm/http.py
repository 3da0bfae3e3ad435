"""One connection to a server: what is sent over it, and for how long."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import httpx

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.llm.errors import tidy
from fusemine.tasks.llm.retries import AgainError

if TYPE_CHECKING:
    import ssl

    from fusemine.tasks.llm.section import Section

# Longer than anyone waits, and not too long for the clocks of sockets.
_DAY = 86_400.0


@cache
def _tls() -> ssl.SSLContext:
    """What certificates are checked against; reading them takes long."""
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class Reply:
    """What came back.

    Args:
        status: HTTP status.
        body: The whole of it.
        retry_after: The header of that name.
    """

    status: int
    body: bytes
    retry_after: str | None


class Line:
    """A connection that is opened when needed and kept; for one thread at a time.

    Args:
        address: Where to post.
        key: Sent as a bearer token, to this address alone; None for none.
        seconds: How long a whole answer may take.
        section: What its settings are called.
    """

    def __init__(self, address: str, key: str | None, seconds: float, section: Section) -> None:
        self._address, self._section = address, section
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
        self._is_cut = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def post(self, body: bytes) -> Reply:
        """Send JSON and wait for the whole answer.

        Raises:
            AgainError: None came.
            ModelError: The address is none.
        """
        self._is_cut = False
        # httpx bounds each read, and a server that sends a byte now and then never ends.
        timer = threading.Timer(self._seconds, self.cut)
        timer.daemon = True
        timer.start()
        try:
            answer = self._client.post(
                self._address,
                content=body,
                headers=self._headers,
                extensions={"trace": self._see},
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
            raise ModelError(
                got=f"{self._section.name}.url, and with it {self._address}",
                expected="the address of a server, such as http://127.0.0.1:8080/v1",
                fix=f"correct {self._section.name}.url",
            ) from None
        except httpx.RequestError as error:
            raise self._failure(error) from None
        finally:
            timer.cancel()
        if self._is_cut:  # without a length, a body that was cut looks like a whole one
            raise self._late()
        return Reply(answer.status_code, answer.content, answer.headers.get("Retry-After"))

    def cut(self) -> None:
        """End what is being sent or received; any thread may."""
        self._is_cut = True
        if self._stream is not None:
            # Closing does not wake the thread that reads, and TLS has its own idea of an end.
            with suppress(OSError):
                socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)

    def _see(self, _: str, info: dict[str, Any]) -> None:
        """Hear from httpx of a new connection, in clear or with TLS on top."""
        stream = info.get("return_value")
        if hasattr(stream, "get_extra_info"):
            self._stream = stream
            if self._is_cut:
                self.cut()

    def _failure(self, error: httpx.RequestError) -> AgainError:
        if self._is_cut or isinstance(error, httpx.TimeoutException):
            return self._late()
        if isinstance(error, httpx.ConnectError):
            return AgainError(
                f"no connection to {self._address} ({tidy(str(error))})",
                f"start the server, or correct {self._section.name}.url",
            )
        # What such an error says may quote what came.
        return AgainError(
            f"a broken answer from {self._address} ({type(error).__name__})",
            f"see what the server's log says, or {self._section.lighten}",
        )

    def _late(self) -> AgainError:
        return AgainError(
            f"no whole answer from {self._address} within {self._seconds:g} s",
            f"raise {self._section.name}.timeout_seconds, or {self._section.lighten}",
        )
