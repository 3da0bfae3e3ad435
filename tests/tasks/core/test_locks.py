"""Locks: who waits, who is refused, and that a killed holder holds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fusemine.tasks.core import device as devices
from fusemine.tasks.core.device import device_lock
from fusemine.tasks.core.errors import ArtifactError, FusemineError, SettingsError
from fusemine.tasks.core.storage.locks import LOCK, exclusive, file_lock, shared

PATIENCE = 100
"""Seconds that a busy machine may need for what an idle one does at once."""
HOLD = """
import sys
from pathlib import Path
from fusemine.tasks.core.device import device_lock
from fusemine.tasks.core.storage.locks import exclusive, shared
kind, what = sys.argv[1:3]
lock = {"shared": lambda: shared(Path(what)), "exclusive": lambda: exclusive(Path(what)),
        "device": lambda: device_lock(what, print)}[kind]()
with lock:
    print("held", flush=True)
    sys.stdin.read()
"""
COUNT = """
import sys, time
from pathlib import Path
from fusemine.tasks.core import device
from fusemine.tasks.core.storage.locks import file_lock
device.SECONDS_BETWEEN_TRIES = 0.01
path = Path(sys.argv[1])
held = {"device": lambda: device.device_lock("cuda", lambda _: None),
        "file": lambda: file_lock(path.with_name("lock"))}[sys.argv[2]]
for _ in range(5):
    with held():
        number = int(path.read_text())
        time.sleep(0.005)
        path.write_text(str(number + 1))
"""
AS_NOBODY = """
import os
from fusemine.tasks.core.device import device_lock
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with device_lock("cuda", print):
    print("held")
"""
NO_ROOM = """
import resource
from fusemine.tasks.core.device import device_lock
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
with device_lock("cuda", print):
    print("held")
"""


def silent(_: str) -> None:
    raise AssertionError("nothing should wait")


def refused(lock: AbstractContextManager[None], kind: type[FusemineError]) -> FusemineError:
    with pytest.raises(kind) as caught, lock:
        pass
    return caught.value


@contextmanager
def holder(kind: str, what: object, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that holds a lock until its input ends or it is killed."""
    command = [sys.executable, "-c", HOLD, kind, str(what), *more]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def output_of(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return done.stdout + done.stderr[-600:]


def sharing(root: Path) -> tuple[threading.Thread, list[float]]:
    """A thread that shares a root, and when it got it."""
    got: list[float] = []

    def run() -> None:
        with shared(root):
            got.append(time.monotonic())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, got


def reports_on(device: str, run: subprocess.Popen[str], number: int = 1) -> list[tuple[float, str]]:
    """What who waits for a device reports, and when; the last report ends the run that holds it."""
    reported: list[tuple[float, str]] = []

    def report(message: str) -> None:
        reported.append((time.monotonic(), message))
        if len(reported) == number:
            run.kill()
            run.wait()

    with device_lock(device, report):
        return reported


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSEMINE_LOCK_DIR", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def test_runs_share_a_root_across_processes_and_threads(tmp_path: Path) -> None:
    with holder("shared", tmp_path), shared(tmp_path), shared(tmp_path):
        thread, got = sharing(tmp_path)
        thread.join(PATIENCE)
        assert got


def test_what_removes_is_refused_at_once_while_a_run_goes_on(tmp_path: Path) -> None:
    with holder("shared", tmp_path):
        error = refused(exclusive(tmp_path), ArtifactError)  # else it would wait for ever
        assert (error.exit_code, "a run that is going on" in str(error)) == (1, True)
    with exclusive(tmp_path):
        pass


def test_a_run_of_this_very_process_counts_too(tmp_path: Path) -> None:
    for held in (shared, exclusive):
        with held(tmp_path):
            refused(exclusive(tmp_path), ArtifactError)


def test_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    with holder("shared", tmp_path) as run:
        run.kill()
        run.wait()
        with exclusive(tmp_path):
            pass


def test_a_run_waits_until_the_root_is_no_longer_held_alone(tmp_path: Path) -> None:
    with holder("exclusive", tmp_path) as remover:
        thread, got = sharing(tmp_path)
        thread.join(0.3)
        assert not got
        remover.kill()
        thread.join(PATIENCE)
    assert got


def test_a_root_is_made_and_other_roots_are_free(tmp_path: Path) -> None:
    with exclusive(tmp_path / "one" / "a"), exclusive(tmp_path / "one" / "b"):
        assert (tmp_path / "one" / "a" / LOCK).is_file()


@pytest.mark.parametrize("lock", [shared, exclusive, lambda root: file_lock(root / LOCK)])
def test_a_root_that_cannot_be_written_is_a_clear_error(
    tmp_path: Path, lock: Callable[[Path], AbstractContextManager[None]]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "root" / LOCK).mkdir(parents=True)
    for root in (tmp_path / "file" / "root", tmp_path / "root"):
        assert "nothing can be written" in str(refused(lock(root), SettingsError))


@pytest.mark.parametrize("lock", ["device", "file"])
def test_a_gpu_or_a_file_is_held_by_one_process_at_a_time(tmp_path: Path, lock: str) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", COUNT, str(counter), lock]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert counter.read_text() == "20"


def test_who_waits_learns_at_once_whom_for_and_is_next_when_it_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "SECONDS_BETWEEN_REPORTS", 3600)
    with holder("device", "cuda", "pipeline.yaml") as run:
        [(_, reported)] = reports_on("cuda:0", run)
    who = f"process {run.pid} (-c device cuda pipeline.yaml)"
    assert reported == f"waiting for cuda:0, which is in use by {who}"


def test_a_long_wait_is_reported_again_but_not_at_every_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "SECONDS_BETWEEN_REPORTS", 0.3)
    monkeypatch.setattr(devices, "SECONDS_BETWEEN_TRIES", 0.02)
    with holder("device", "mps") as run:
        times = [at for at, _ in reports_on("mps", run, 3)]
    assert len(times) == 3
    assert all(later - earlier >= 0.3 for earlier, later in pairwise(times))


@pytest.mark.parametrize("content", [b"", b"\xff" * 10_000, b"\x1b[2J\nrun: rm -rf /\r" * 500])
def test_what_a_lock_file_holds_is_cut_and_has_no_control_characters(
    folder: Path, content: bytes
) -> None:
    with holder("device", "cuda") as run:
        (folder / "fusemine-cuda-0.lock").write_bytes(content)
        [(_, reported)] = reports_on("cuda", run)
    assert reported.isprintable()
    assert len(reported) < 200
    assert content or reported.endswith("a process that left no name")


def test_each_gpu_has_a_lock_of_its_own_and_a_cpu_has_none(folder: Path) -> None:
    with ExitStack() as held:
        for device in ("cuda", "cuda:1", "mps", "cpu", "cpu"):
            held.enter_context(device_lock(device, silent))
        names = sorted(path.name for path in folder.iterdir())
    assert names == ["fusemine-cuda-0.lock", "fusemine-cuda-1.lock", "fusemine-mps.lock"]


@pytest.mark.parametrize(
    ("shown", "device", "name"),
    [
        ("1", "cuda", "1"), ("2,3", "cuda:1", "3"), ("GPU-8f/..", "cuda:0", "GPU-8f---"),
        ("", "cuda", "0"),
    ],
)  # fmt: skip
def test_a_gpu_has_one_name_whichever_gpus_a_process_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, shown: str, device: str, name: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    with device_lock(device, silent):
        assert [path.name for path in folder.iterdir()] == [f"fusemine-cuda-{name}.lock"]


def test_the_lock_of_a_gpu_is_open_to_every_user(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        with device_lock("cuda", silent):
            pass
    finally:
        os.umask(before)
    assert (folder / "fusemine-cuda-0.lock").stat().st_mode & 0o777 == 0o666


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_gets_the_lock_that_root_has_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with TemporaryDirectory() as temporary:  # not below pytest's, which are for root alone
        Path(temporary).chmod(0o1777)
        monkeypatch.setenv("FUSEMINE_LOCK_DIR", temporary)
        with device_lock("cuda", silent):
            pass
        assert output_of(AS_NOBODY) == "held\n"


def test_a_full_disk_takes_the_name_away_but_not_the_lock() -> None:
    assert output_of(NO_ROOM) == "held\n"


def test_a_lock_that_cannot_be_used_is_a_clear_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "fusemine-mps.lock").symlink_to(folder / "elsewhere")
    error = refused(device_lock("mps", silent), SettingsError)
    assert "fusemine-mps.lock cannot be locked" in str(error)
    assert not (folder / "elsewhere").exists()
    monkeypatch.setenv("FUSEMINE_LOCK_DIR", str(folder / "none"))
    assert "FUSEMINE_LOCK_DIR" in refused(device_lock("cuda", silent), SettingsError).fix
