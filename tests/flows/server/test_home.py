"""A home that Prefect cannot work in is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemine.flows.server.home import check_home
from fusemine.tasks.core.errors import FusemineError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Prefect's home is to be."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


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
