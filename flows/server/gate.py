"""A Prefect server that only its own pages and its own clients can use.

Any page that a browser on this machine shows can send requests to a port of this machine. Prefect
checks neither the name that a request asks for nor the page that it comes from, so both are
checked in front of it. Who a client is, Prefect checks itself: see `credentials`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = "FUSEMINE_SERVER_HOSTS"
"""Environment variable with more names of the server, with commas between."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
REFUSED = (
    "refused: this Prefect server is asked for by 127.0.0.1, localhost, its own address or a name "
    "given with `fusemine ui --host-name`, and by its own pages only\n"
)
# Prefect's pages would ask a service of statistics for settings, and a text that looks like the
# address of an image would be fetched; and no other page may hold them in a frame.
_KEPT = [
    (b"content-security-policy", b"connect-src 'self'; img-src 'self' data: blob:; "
     b"frame-ancestors 'none'; form-action 'self'; base-uri 'self'; object-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]  # fmt: skip


def server_command(host: str, port: int) -> list[str]:
    """The command that runs the server; what it is set to comes from the environment."""
    # By its path, so that it starts wherever we are imported from. -P: modules of the folder that
    # it is started in, or that this file is in, are not the server's.
    return [sys.executable, "-P", __file__, host, str(port)]


class Gate:
    """Refuses requests for another name and requests of other pages.

    A name that an attacker owns may lead to this machine (DNS rebinding), an address cannot.

    Args:
        app: The server behind it.
        names: More names of the server, each `name` or `name:port`.
        origins: Pages of other addresses that may use it, such as `https://site.test`.
    """

    def __init__(
        self, app: ASGIApp, names: Iterable[str] = (), origins: Iterable[str] = ()
    ) -> None:
        self._app = app
        self._names, self._origins = set(names), set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        if scope["type"] in {"http", "websocket"} and not self._admits(scope):
            from starlette.responses import PlainTextResponse

            await PlainTextResponse(REFUSED, 403)(scope, receive, send)
            return

        async def send_kept(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_KEPT]
            await send(message)

        await self._app(scope, receive, send_kept)

    def _admits(self, scope: Scope) -> bool:
        headers = [(name, value.decode("latin-1").lower()) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not self._is_ours(hosts[0], scope["server"]):
            return False
        origins = {value for name, value in headers if name == b"origin"}
        own = {f"http://{hosts[0]}", f"https://{hosts[0]}"}
        return origins <= own | self._origins

    def _is_ours(self, host: str, server: tuple[str, int | None]) -> bool:
        """Whether a Host header names this server, at the address that it was reached at."""
        try:
            asked = urlsplit(f"//{host}")
            name, port = asked.hostname, asked.port or 80
        except ValueError:
            return False
        if name in {*LOOPBACK, server[0]} and port == server[1]:
            return True
        return host in self._names or name in self._names


def create_app() -> Gate:
    """The Prefect server behind its gate."""
    from prefect.server.api.server import create_app as create_prefect
    from prefect.settings import get_current_settings

    origins = _listed(get_current_settings().server.api.cors_allowed_origins)
    return Gate(create_prefect(final=True), _listed(os.environ.get(HOSTS, "")), origins)


def _listed(names: str) -> set[str]:
    return {name.strip().lower() for name in names.split(",")} - {""}


def main() -> None:
    """Run the server at the host and port that the command line names."""
    import uvicorn
    from prefect.settings import get_current_settings

    settings = get_current_settings().server
    host, port = sys.argv[1:]
    uvicorn.run(
        create_app(),
        host=host,
        port=int(port),
        log_level=settings.logging_level.lower(),
        timeout_keep_alive=settings.api.keepalive_timeout,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
    )


if __name__ == "__main__":
    main()
