"""Sources that move: rows are those of one state of each file, or the file is named."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fault_kinds.case import Case, Ran, fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FEBRUARY, APRIL = "tickets-2024-02.csv", "tickets-2024-04.csv"


@contextmanager
def meanwhile(work: Callable[[int], object]) -> Iterator[None]:
    """Within the block something is done again and again."""
    ended = threading.Event()

    def repeat() -> None:
        times = 0
        while not ended.wait(0.01):
            work(times)
            times += 1

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def changed_or_done(ran: Ran) -> None:
    """A run beside a writer ends well, or names the file."""
    names = "changed while it was read" in ran.text or "is gone" in ran.text
    assert ran.code == 0 or (ran.code == 2 and names), f"{ran.code}: {ran.text[-300:]}"


def as_before(case: Case) -> None:
    """With the old files nothing is stale, and the results are the old ones."""
    ran = case.run("run", case.pipeline)
    assert ran.code == 0, ran.text[-300:]
    assert case.results() == case.expected, "rows of another state are taken for the old ones"


def replaced(path: Path, content: bytes) -> None:
    draft = path.with_name(".draft")
    draft.write_bytes(content)
    draft.replace(path)


def beside(case: Case, name: str, write: Callable[[Path, bytes, int], object]) -> None:
    path = case.inbox / name
    old = path.read_bytes()
    with meanwhile(lambda times: write(path, old, times)):
        changed_or_done(case.run("run", case.pipeline))
    replaced(path, old)
    as_before(case)


@fault("a file that is replaced all the time while a run reads it")
def replacing(case: Case) -> None:
    beside(case, APRIL, lambda p, old, n: replaced(p, old.replace(b"low", b"mid", 1 + n % 5)))


@fault("a file that is written in place all the time, with its size and time kept")
def in_place(case: Case) -> None:
    def write(path: Path, old: bytes, times: int) -> None:
        stat = path.stat()
        with path.open("r+b") as file:
            file.write(old.replace(b"low", b"mid", 1 + times % 5))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    beside(case, APRIL, write)


@fault("a file that is cut and written anew all the time")
def cutting(case: Case) -> None:
    def write(path: Path, old: bytes, times: int) -> None:
        path.write_bytes(old[: len(old) * (times % 4 + 1) // 4])

    path = case.inbox / APRIL
    old = path.read_bytes()
    with meanwhile(lambda times: write(path, old, times)):
        ran = case.run("run", case.pipeline)
    assert ran.code in {0, 2}, ran.text[-300:]  # half a file may also be no table
    replaced(path, old)
    as_before(case)


@fault("a file that comes and goes all the time")
def vanishing(case: Case) -> None:
    path, aside = case.inbox / APRIL, case.folder / "aside"

    def write(times: int) -> None:
        path.rename(aside) if times % 2 == 0 else aside.rename(path)

    with meanwhile(write):
        changed_or_done(case.run("check", case.pipeline))
    if aside.exists():
        aside.rename(path)
    as_before(case)


@fault("a file that grows all the time is read as it was when the run began")
def growing(case: Case) -> None:
    def write(times: int) -> None:
        with (case.inbox / APRIL).open("ab") as file:
            file.write(f"2024-04-9{times},2024-04-30,it grows again,low,1,no\n".encode())

    with meanwhile(write):
        ran = case.run("run", case.pipeline)
    assert ran.code == 0, ran.text[-300:]


def names(case: Case, pattern: str) -> None:
    """Let the pipeline, whose root is a copy, read other files."""
    case.edit(source={"path": pattern})
    (case.root / "pipeline.json").unlink()  # it would take the root for another pipeline's


def named(case: Case, *words: str, command: str = "run", **how: list[str]) -> None:
    ran = case.run(command, case.pipeline, **how)  # type: ignore[arg-type]
    assert ran.code == 2, f"exit code {ran.code}: {ran.text[-300:]}"
    lost = [word for word in words if word not in ran.text]
    assert not lost, f"not named: {lost} in {ran.text[-300:]}"


@fault("a link to a file on a disk that is not mounted")
def not_mounted(case: Case) -> None:
    (case.inbox / FEBRUARY).unlink()
    (case.inbox / FEBRUARY).symlink_to("/mnt/not-mounted/february.csv")
    for command in ("check", "status", "run"):
        named(case, FEBRUARY, "/mnt/not-mounted", command=command)


@fault("a link to a folder on a disk that is not mounted")
def folder_not_mounted(case: Case) -> None:
    (case.inbox / "old").symlink_to("/mnt/not-mounted")
    names(case, "inbox/**/*.csv")
    named(case, "inbox/old", "/mnt/not-mounted")


@fault("links in a circle")
def circles(case: Case) -> None:
    (case.inbox / "me.csv").symlink_to("me.csv")
    named(case, "me.csv", command="check")
    (case.inbox / "me.csv").unlink()
    (case.inbox / "up").symlink_to(case.inbox)
    names(case, "inbox/**/*.csv")
    named(case, "inbox/up", command="check")


@fault("a folder of the source that cannot be listed")
def closed_folder(case: Case) -> None:
    folder = case.inbox / "2024"
    folder.mkdir()
    (case.inbox / APRIL).rename(folder / APRIL)
    folder.chmod(0o000)
    names(case, "inbox/**/*.csv")
    nobody = [] if os.geteuid() else ["setpriv", "--reuid=65534", "--clear-groups"]
    for place in (case.folder, *case.folder.parents[:-2]):
        if not os.geteuid():
            place.chmod(0o755)
    named(case, "inbox/2024", "Permission denied", command="check", before=nobody)
    folder.chmod(0o755)


@fault("a file of the source that became a folder, and one that became a pipe")
def no_file(case: Case) -> None:
    (case.inbox / APRIL).unlink()
    (case.inbox / APRIL).mkdir()
    named(case, APRIL, "a folder", command="check")
    (case.inbox / APRIL).rmdir()
    os.mkfifo(case.inbox / APRIL)
    named(case, APRIL, "a pipe", command="check")


@fault("a compressed file that was cut in the middle")
def cut_gzip(case: Case) -> None:
    content = gzip.compress((case.inbox / APRIL).read_bytes())
    (case.inbox / APRIL).unlink()
    (case.inbox / f"{APRIL}.gz").write_bytes(content[: len(content) // 2])
    names(case, "inbox/*")
    named(case, f"{APRIL}.gz", "cannot be decompressed", command="check")


@fault("a file of two names is read once")
def two_names(case: Case) -> None:
    (case.inbox / "latest.csv").symlink_to(APRIL)
    (case.inbox / "a-copy.csv").hardlink_to(case.inbox / FEBRUARY)
    ran = case.run("check", case.pipeline)
    assert "source: 4 file(s)" in ran.text, ran.text[-300:]


@fault("a linked folder under **")
def linked_folder(case: Case) -> None:
    (case.folder / "archive").mkdir()
    (case.inbox / FEBRUARY).rename(case.folder / "archive" / FEBRUARY)
    (case.inbox / "old").symlink_to(case.folder / "archive")
    names(case, "inbox/**/*.csv")
    ran = case.run("check", case.pipeline)
    assert "source: 4 file(s)" in ran.text, ran.text[-300:]


@fault("a month that was deleted at the source is called gone, and comes back")
def deleted(case: Case) -> None:
    path, aside = case.inbox / APRIL, case.folder / "aside"
    path.rename(aside)
    ran = case.run("status", case.pipeline)
    assert "1 gone" in ran.text, ran.text[-400:]
    ran = case.run("export", case.pipeline, "--partition", "2024-04", "-o", case.folder / "x.csv")
    assert ran.code == 0, ran.text[-300:]
    assert f"rows of inbox/{APRIL} are among them" in ran.err, ran.err
    aside.rename(path)
    assert "gone" not in case.run("status", case.pipeline).out
    assert case.results() == case.expected, "the results are others"


@fault("a file changes within its size and time between two runs")
def same_stat(case: Case) -> None:
    path = case.inbox / APRIL
    stat, old = path.stat(), path.read_bytes()
    path.write_bytes(old.replace(b"low", b"mid", 1))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert "stale" in case.run("status", case.pipeline).out, "the change is not seen"
    shutil.copyfile(path, case.folder / "x")
    path.write_bytes(old)
    as_before(case)


@fault("predictions for a file that is replaced all the time", model=True)
def predicted(case: Case) -> None:
    rows = case.folder / "rows.csv"
    old = (case.inbox / APRIL).read_bytes()
    rows.write_bytes(old)
    with meanwhile(lambda n: replaced(rows, old.replace(b"low", b"mid", 1 + n % 5))):
        changed_or_done(case.run("predict", case.pipeline, rows))
    replaced(rows, old)
    ran = case.run("predict", case.pipeline, rows)
    assert ran.code == 0, ran.text[-300:]
