"""A Prefect server that is configured and lets everyone wait."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from fusemine.flows.server.temporary import set_defaults

set_defaults()  # before anything imports Prefect

from prefect.settings import (  # noqa: E402
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_API_URL,
    temporary_settings,
)

from fusemine.flows.server import temporary  # noqa: E402
from fusemine.tasks.core.errors import ServerError  # noqa: E402


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api"


def test_a_server_that_never_answers_is_an_error_in_a_bounded_time(
    deaf: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(temporary, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(temporary, "ANSWER_SECONDS", 0.3)
    monkeypatch.delenv("FUSEMINE_TEMPORARY_SERVER", raising=False)
    with temporary_settings({PREFECT_API_URL: deaf}), pytest.raises(ServerError) as caught:
        temporary.ensure_server()
    assert f"no answer from the Prefect server at {deaf} within 0.3 s" in caught.value.got
    assert "PREFECT_API_URL" in caught.value.fix
    assert f"no answer from the Prefect server at {deaf} for 0.1 s" in caplog.text


def test_prefects_own_bound_is_kept_where_it_is_less(
    deaf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FUSEMINE_TEMPORARY_SERVER", raising=False)
    settings = {PREFECT_API_URL: deaf, PREFECT_API_REQUEST_TIMEOUT: 0.2}
    with temporary_settings(settings), pytest.raises(ServerError, match=r"within 0\.2 s"):
        temporary.ensure_server()


def test_a_server_that_refuses_is_left_to_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FUSEMINE_TEMPORARY_SERVER", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        temporary.ensure_server()
