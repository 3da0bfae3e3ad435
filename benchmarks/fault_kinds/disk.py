"""Disks: full, read-only. Needs the right to mount a file system in memory."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fault_kinds.case import Case, Ran, fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOM = "64m"
MONTH = "2024-05"


@contextmanager
def mounted(folder: Path, options: str = f"size={ROOM}") -> Iterator[Path]:
    """A small disk of its own."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def root_on_disk(case: Case) -> Iterator[Path]:
    """The root of a case on a small disk."""
    aside = case.folder / "aside"
    case.root.parent.rename(aside)
    with mounted(case.folder / "artifacts") as disk:
        shutil.copytree(aside, disk, dirs_exist_ok=True, symlinks=True)
        yield disk


def fill(disk: Path, leave: int) -> Path:
    """Fill a disk but for some bytes."""
    path = disk / "ballast"
    with path.open("wb") as file:
        room = shutil.disk_usage(disk).free - leave
        file.write(bytes(max(0, room)))
    return path


def says_so(done: Ran, *words: str) -> None:
    assert done.code in {1, 2}, f"exit code {done.code}: {done.text[-300:]}"
    said = done.text.lower()
    assert any(word in said for word in words), f"the cause is not named: {done.text[-400:]}"


FULL = ("no space left", "room on the disk", "disk is full")


def register_full(leave: int) -> None:
    @fault(f"a run with {leave // 1024} KiB left on the disk of the root")
    def run(case: Case) -> None:
        with root_on_disk(case) as disk:
            case.add_month(MONTH)
            ballast = fill(disk, leave)
            says_so(case.run("run", case.pipeline), *FULL)
            ballast.unlink()
            done = case.run("run", case.pipeline)
            assert done.code == 0, f"with room again: {done.text[-300:]}"


for left in (0, 8 * 1024, 64 * 1024, 256 * 1024):
    register_full(left)


@fault("an export to a full disk keeps the file that was there")
def full_export(case: Case) -> None:
    with mounted(case.folder / "disk", "size=1m") as disk:
        kept = disk / "old.csv"
        kept.write_bytes(case.expected[:1000])
        fill(disk, 4096)
        says_so(case.run("export", case.pipeline, "-o", kept, "--force"), *FULL)
        assert kept.read_bytes() == case.expected[:1000], "the old file is damaged"


@fault("predictions on a full disk", model=True)
def full_predict(case: Case) -> None:
    with root_on_disk(case) as disk:
        fill(disk, 0)
        rows = case.inbox / "tickets-2024-04.csv"
        says_so(case.run("predict", case.pipeline, rows), *FULL)


@fault("forgetting on a full disk, then with room")
def full_forget(case: Case) -> None:
    with root_on_disk(case) as disk:
        ballast = fill(disk, 0)
        done = case.run("forget", case.pipeline, "2024-04-007")
        if done.code:
            says_so(done, *FULL)
        ballast.unlink()
        done = case.run("forget", case.pipeline, "2024-04-007")
        assert done.code == 0, done.text[-300:]
        held = [p for p in case.files("**/*.parquet") if b"2024-04-007" in p.read_bytes()]
        assert not held, f"still in {held}"


@fault("pruning on a full disk")
def full_prune(case: Case) -> None:
    with root_on_disk(case) as disk:
        case.edit(retention="P0D")
        fill(disk, 0)
        done = case.run("prune", case.pipeline)
        if done.code:
            says_so(done, *FULL)


@fault("a full disk for temporary files")
def full_temporary(case: Case) -> None:
    with mounted(case.folder / "tmp", "size=1m") as disk:
        case.add_month(MONTH)
        fill(disk, 0)
        done = case.run("run", case.pipeline, env={"TMPDIR": str(disk)})
        if done.code:
            says_so(done, *FULL, "temporary")


def register_read_only(name: str, *arguments: str, works: bool = False) -> None:
    @fault(f"{name} with a root that is read-only")
    def read_only(case: Case) -> None:
        if arguments[0] == "run":
            case.add_month(MONTH)
        with root_on_disk(case) as disk:
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            done = case.run(arguments[0], case.pipeline, *arguments[1:])
        if works:
            assert done.code == 0, done.text[-300:]
        else:
            says_so(done, "read-only", "right to write")


register_read_only("a run", "run")
register_read_only("forgetting", "forget", "2024-04-007")
register_read_only("status", "status", works=True)
register_read_only("an export", "export", "-o", "out.csv", works=True)
