"""The gate admits what asks for this server by its own name, from its own pages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from fusemine.flows.server.gate import Gate, server_command

HERE = ("127.0.0.1", 4200)


async def _inner(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"secret"})


def ask(
    *headers: tuple[str, str],
    server: tuple[str, int] = HERE,
    kind: str = "http",
    names: Iterable[str] = (),
    origins: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """What comes back through the gate."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": kind, "headers": raw, "server": server, "extensions": {}}
    scope["extensions"] = {"websocket.http.response": {}}
    asyncio.run(Gate(_inner, names, origins)(scope, None, send))  # type: ignore[arg-type]
    return sent


def is_admitted(*headers: tuple[str, str], **more: Any) -> bool:
    answer = ask(*headers, **more)
    assert answer[0]["status"] in {200, 403}
    return bool(answer[0]["status"] == 200)


@pytest.mark.parametrize("host", ["127.0.0.1:4200", "localhost:4200", "LocalHost:4200"])
def test_its_own_names_are_admitted(host: str) -> None:
    assert is_admitted(("Host", host))
    assert is_admitted(("Host", host), ("Origin", f"http://{host}"))


@pytest.mark.parametrize(
    "host",
    [
        "evil.test:4200", "127.0.0.1", "127.0.0.1:80", "localhost.evil.test:4200", "0.0.0.0:4200",
        "", "127.0.0.1:x", "[::1", "evil.test@127.0.0.2:4200", "192.168.1.5:4200",
        "localhost.:4200",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_any_other_name_is_refused(host: str, kind: str) -> None:
    assert not is_admitted(("Host", host), kind=kind)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "origin",
    ["http://127.0.0.1:8000", "https://evil.test", "null", "http://evil.test:4200", "file://"],
)
def test_a_page_of_another_origin_is_refused(origin: str, kind: str) -> None:
    assert not is_admitted(("Host", "127.0.0.1:4200"), ("Origin", origin), kind=kind)


def test_a_request_without_a_name_or_with_two_is_refused() -> None:
    assert not is_admitted()
    assert not is_admitted(("Host", "localhost:4200"), ("Host", "evil.test"))
    own, other = ("Origin", "http://localhost:4200"), ("Origin", "http://evil.test")
    assert not is_admitted(("Host", "localhost:4200"), own, other)


def test_the_address_that_it_was_reached_at_is_its_name_too() -> None:
    assert is_admitted(("Host", "192.168.1.5:4200"), server=("192.168.1.5", 4200))
    assert is_admitted(("Host", "[::1]:4200"), server=("::1", 4200))
    assert is_admitted(("Host", "127.0.0.1"), server=("127.0.0.1", 80))


def test_a_name_that_was_given_is_admitted_at_its_port_or_at_any() -> None:
    assert is_admitted(("Host", "mine.test:9"), names=["mine.test"])
    assert is_admitted(
        ("Host", "mine.test:9"), ("Origin", "https://mine.test:9"), names=["mine.test"]
    )
    assert is_admitted(("Host", "mine.test:9"), names=["mine.test:9"])
    assert not is_admitted(("Host", "mine.test:8"), names=["mine.test:9"])
    assert not is_admitted(("Host", "not-mine.test"), names=["mine.test"])


def test_a_page_that_was_named_may_use_it_and_a_star_names_none() -> None:
    page = (("Host", "localhost:4200"), ("Origin", "https://site.test"))
    assert is_admitted(*page, origins=["https://site.test"])
    assert not is_admitted(*page, origins=["*"])


def test_an_answer_keeps_pages_from_asking_elsewhere_and_from_frames() -> None:
    start, body = ask(("Host", "localhost:4200"))
    headers = dict(start["headers"])
    assert body["body"] == b"secret"
    policy = headers[b"content-security-policy"].decode().split("; ")
    assert {"connect-src 'self'", "frame-ancestors 'none'"} <= set(policy)


def test_a_refusal_holds_nothing_of_the_server_and_says_what_to_do() -> None:
    _, body = ask(("Host", "evil.test"))
    assert b"secret" not in body["body"]
    assert b"--host-name" in body["body"]


def test_the_command_holds_no_secret_and_takes_no_module_of_the_folder() -> None:
    command = server_command("127.0.0.1", 4200)
    assert command[1] == "-P"
    assert Path(command[2]).name == "gate.py"
    assert command[3:] == ["127.0.0.1", "4200"]
