"""Who may use a local server, and who finds its credential."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.context import refresh_global_settings_context

from fusemine.flows.server.credentials import (
    CLIENT,
    closed,
    credential_file,
    kept_credential,
    new_credential,
    present_credential,
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A Prefect home, with nothing presented; Prefect's settings are as before afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path))
        patch.setenv("PREFECT_API_URL", "")
        patch.setenv(CLIENT, "")  # so that it is taken back afterwards
        patch.delenv(CLIENT)
        yield tmp_path
    refresh_global_settings_context()


def presented(url: str) -> str | None:
    """What a client of an address presents."""
    os.environ["PREFECT_API_URL"] = url
    refresh_global_settings_context()
    present_credential()
    return os.environ.get(CLIENT)


def test_a_kept_credential_is_the_same_at_each_start_and_for_its_user_alone(home: Path) -> None:
    before = os.umask(0)
    try:
        made = kept_credential(home, 4200)
    finally:
        os.umask(before)
    file = credential_file(home, 4200)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    assert kept_credential(home, 4200) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_each_port_and_each_server_has_another_one(home: Path) -> None:
    made = [kept_credential(home, 1), kept_credential(home, 2), new_credential(), new_credential()]
    assert len(set(made)) == 4
    assert all(len(one.partition(":")[2]) >= 32 for one in made)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"], ids=["empty", "damaged"])
def test_an_empty_or_damaged_file_is_written_again(home: Path, content: bytes) -> None:
    made = kept_credential(home, 4200)
    credential_file(home, 4200).write_bytes(content)
    again = kept_credential(home, 4200)
    assert again
    assert again != made


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_command_of_this_machine_finds_it(home: Path, host: str) -> None:
    made = kept_credential(home, 4200)
    assert presented(f"http://{host}:4200/api") == made


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:4201/api",
        "http://elsewhere.test:4200/api",
        "http://127.0.0.1.evil.test:4200",
    ],
)
def test_no_other_server_is_told(home: Path, url: str) -> None:
    kept_credential(home, 4200)
    assert presented(url) is None


def test_what_the_user_has_set_is_presented(home: Path) -> None:
    kept_credential(home, 4200)
    os.environ[CLIENT] = "me:mine"
    assert presented("http://127.0.0.1:4200/api") == "me:mine"


def test_a_server_and_its_clients_are_closed_with_the_same_one() -> None:
    made = closed("a:b")
    assert made["PREFECT_SERVER_API_AUTH_STRING"] == made[CLIENT] == "a:b"
    assert made["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == ""
