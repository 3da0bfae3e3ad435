"""An error of the system is a sentence with the path and what to do, and no fault of ours."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import polars as pl
import pytest

from fusemine.flows.server.system_errors import explained


@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [
        (errno.ENOSPC, 1, "no room is left"),
        (errno.EDQUOT, 1, "no room is left"),
        (errno.EIO, 1, "the disk cannot read or write"),
        (errno.EROFS, 2, "can only be read"),
        (errno.EACCES, 2, "may not be used by this user"),
        (errno.EPERM, 2, "may not be used by this user"),
        (errno.ELOOP, 2, "leads to itself"),
        (errno.EISDIR, 2, "is a folder"),
        (errno.ENOTDIR, 2, "leads through a file"),
        (errno.ENOENT, 2, "is not there"),
        (errno.ENAMETOOLONG, 2, "too long"),
        (errno.ESTALE, 1, "file handle"),
    ],
)
def test_the_path_and_the_reason_are_named(number: int, code: int, reason: str) -> None:
    found = explained(OSError(number, os.strerror(number), "/data/a{b}.csv"))
    assert found is not None
    assert found.exit_code == code
    assert "/data/a{b}.csv" in found.got
    assert reason in found.got
    assert found.expected
    assert found.fix


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_too_many_open_files_are_a_limit_to_raise(number: int) -> None:
    found = explained(OSError(number, os.strerror(number), "/data/a.csv"))
    assert found is not None
    assert "ulimit -n" in found.fix


def test_what_resolving_a_link_that_leads_to_itself_raises_is_explained(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    error: Exception | None = None
    try:
        (loop / "x").resolve()
    except (RuntimeError, OSError) as caught:  # from Python 3.13 on it is neither
        error = caught
    if error is not None:
        found = explained(error)
        assert found is not None
        assert found.exit_code == 2
        assert str(loop) in found.got


def test_too_little_memory_is_said_as_such() -> None:
    found = explained(MemoryError("Unable to allocate 8 GiB"))
    assert found is not None
    assert found.exit_code == 1
    assert "needs more memory than there is" in found.got


def test_what_real_calls_raise_is_explained(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    (tmp_path / "file").touch()
    calls = {
        "leads to itself": lambda: loop.read_bytes(),
        "is a folder": lambda: tmp_path.write_bytes(b""),
        "leads through a file": lambda: (tmp_path / "file" / "x").read_bytes(),
        "is not there": lambda: (tmp_path / "none").read_bytes(),
        "too long": lambda: (tmp_path / ("x" * 300)).read_bytes(),
    }
    for reason, call in calls.items():
        with pytest.raises(OSError, match=r".") as caught:
            call()
        found = explained(caught.value)
        assert found is not None
        assert reason in found.got


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_full_is_explained_where_no_path_is_known() -> None:
    with pytest.raises(OSError, match="No space") as caught, Path("/dev/full").open("wb") as full:
        full.write(b"x")
    found = explained(caught.value)
    assert found is not None
    assert found.got.startswith("no room is left on the disk of")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_polars_makes_of_it_is_explained_too() -> None:
    with pytest.raises(Exception, match="os error 28") as caught:
        pl.DataFrame({"a": range(100_000)}).write_csv("/dev/full")
    found = explained(caught.value)
    assert found is not None
    assert "no room" in found.got


def test_the_cause_of_another_error_counts() -> None:
    error = ValueError("cannot read")
    error.__cause__ = PermissionError(errno.EACCES, "Permission denied", "/data/a.csv")
    found = explained(error)
    assert found is not None
    assert "/data/a.csv" in found.got


def test_an_error_of_the_program_is_not_explained() -> None:
    assert explained(ValueError("x")) is None
    assert explained(KeyError("x")) is None


def test_a_path_is_shown_on_one_line_without_what_a_terminal_obeys() -> None:
    for path in ("/a\n\x1b[31m\udcff", b"/a\n\x1b[31m\xff"):
        found = explained(PermissionError(errno.EACCES, "", path))
        assert found is not None
        assert found.got.startswith(r"/a\n\x1b[31m\udcff may not")
