"""Processes that embed on one machine divide its cores among them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.small_root import everything

from fusemine.tasks.embed.encoders.worker_pool import Presence, WorkerPool

OTHER = """
import sys
from fusemine.tasks.embed.encoders.worker_pool import Presence
presence = Presence()
print(presence.processes(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests that embed at the same time are not seen."""
    monkeypatch.setenv("FUSEMINE_LOCK_DIR", str(tmp_path))


def other() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_processes_count_each_other_as_long_as_they_live(tmp_path: Path) -> None:
    presence = Presence()
    assert presence.processes() == 1
    first, second = other(), other()
    assert presence.processes() == 3
    first.kill()
    first.communicate()
    assert presence.processes() == 2
    second.communicate()
    assert presence.processes() == 1
    presence.end()
    assert [p for folder in tmp_path.iterdir() for p in folder.iterdir()] == []


@pytest.mark.parametrize("is_link", [True, False])
def test_files_that_are_no_signs_of_processes_stay(tmp_path: Path, is_link: bool) -> None:
    """In a temporary folder anybody can put a link to somebody's files under the folder's name."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    if is_link:
        (mine / "999999999").write_text("mine")
    place = tmp_path / f"fusemine-embedding-{os.getuid()}"
    place.symlink_to(mine) if is_link else mine.rename(place)
    before = everything(place)
    presence = Presence()
    assert presence.processes() == 1
    presence.end()
    assert everything(place) == before


def test_two_presences_of_one_process_are_one() -> None:
    first, second = Presence(), Presence()
    assert first.processes() == second.processes() == 1
    first.end()
    second.end()


def test_cores_are_divided_and_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with WorkerPool("cpu") as workers:
            assert workers.size == 4
            assert list(workers.map(lambda _: torch.get_num_threads(), range(8))) == [1] * 8
        assert torch.get_num_threads() == 4
        process = other()
        with WorkerPool("cpu") as workers:
            assert workers.size == 2
        process.kill()
        process.communicate()
    finally:
        torch.set_num_threads(before)


def test_without_a_folder_for_locks_cores_are_not_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FUSEMINE_LOCK_DIR", str(tmp_path / "file"))
    with WorkerPool("cpu") as workers:
        assert list(workers.map(str, range(3))) == ["0", "1", "2"]


def test_an_error_in_a_batch_comes_out_and_ends_the_others() -> None:
    def compute(number: int) -> int:
        if number == 1:
            raise KeyError(number)
        return number

    with pytest.raises(KeyError), WorkerPool("cpu") as workers:
        list(workers.map(compute, range(100)))
    presence = Presence()
    assert presence.processes() == 1
    presence.end()
