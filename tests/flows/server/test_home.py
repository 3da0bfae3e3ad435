"""Prefect's home: refused with the reason where nothing can work, its database its owner's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import (
    PREFECT_HOME,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    temporary_settings,
)

from fusemine.flows.server.home import check_home, database_file, make_private
from fusemine.tasks.core.errors import FusemineError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Prefect home that is not there yet."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    with temporary_settings({PREFECT_HOME: tmp_path / "home"}):
        yield tmp_path / "home"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_home_that_is_made_is_private(home: Path) -> None:
    make_private()
    assert mode(home) == 0o700


def test_a_database_that_others_can_read_is_closed_and_its_folder_is_left(home: Path) -> None:
    home.mkdir(mode=0o755)
    made = [home / name for name in ("prefect.db", "prefect.db-wal", "prefect.db-shm", "other")]
    for path in made:
        path.touch(0o644)
    make_private()
    assert [mode(path) for path in made] == [0o600, 0o600, 0o600, 0o644]
    assert mode(home) == 0o755


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite+aiosqlite:////data/own.db", Path("/data/own.db")),
        ("sqlite+aiosqlite:///:memory:", None),
        ("postgresql+asyncpg://user:secret@host/prefect", None),
    ],
)
def test_the_database_may_be_elsewhere(home: Path, url: str, file: Path | None) -> None:
    assert database_file() == home / "prefect.db"
    with temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: url}):
        assert database_file() == file


def test_a_home_that_can_be_written_to_is_made_and_stays_empty(home: Path) -> None:
    check_home()
    assert list(home.iterdir()) == []


def reason() -> str:
    with pytest.raises(FusemineError) as refused:
        check_home()
    assert "reset" not in str(refused.value)
    assert "PREFECT_HOME" in refused.value.fix
    return refused.value.got


def test_a_file_in_its_place_is_named(home: Path) -> None:
    home.touch()
    assert str(home) in reason()


def test_a_link_that_leads_to_itself_is_named(home: Path) -> None:
    home.symlink_to(home)
    assert str(home) in reason()


def test_a_database_that_is_a_folder_is_named(home: Path) -> None:
    (home / "prefect.db").mkdir(parents=True)
    assert reason().endswith("prefect.db is a folder")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_a_place_where_nothing_can_be_made_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", "/proc/none")
    assert "/proc/none" in reason()
