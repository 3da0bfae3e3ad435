"""A result that is computed in a process of its own."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.small_root import SmallRoot, row
from support.stage_runs import PlainRunner, mine_plainly

from fusemine.flows.engine.child import STALL, in_new_process, stall_seconds
from fusemine.tasks.core.errors import ArtifactError, SettingsError, StageError
from fusemine.tasks.core.request import Request
from fusemine.tasks.core.storage.artifact import ref_of
from fusemine.tasks.graph import GRAPH

SCRIPT = """
import pickle, sys
from pathlib import Path
from fusemine.flows.engine.child import in_new_process

print("the script runs")
request = pickle.loads(Path(sys.argv[1]).read_bytes())
print(in_new_process(request, None, print, print).sha256)
"""


LITTLE_ROOM = """
import pickle, resource, sys
from pathlib import Path
from fusemine.flows.engine import child
from fusemine.tasks.core.errors import StageError
from fusemine.tasks.core.memory import memory_error

request = pickle.loads(Path(sys.argv[1]).read_bytes())
resource.setrlimit(resource.RLIMIT_AS, (900 * 2**20, resource.RLIM_INFINITY))
try:
    child.in_new_process(request, None, print, print)
except StageError as error:
    print(error)
except BaseException as error:
    print(memory_error(error, "fuse of 2024-01"))
"""


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Request]:
    """The last request of each stage of a run."""
    small = SmallRoot(tmp_path_factory.mktemp("small"))
    small.write(*(row(number, "2024-01-01") for number in range(40)))
    runner = PlainRunner()
    mine_plainly(small.pipeline, runner=runner)
    return {request.job.stage: request for request in runner.requests}


@pytest.fixture(scope="module")
def request_of_fuse(requests: dict[str, Request]) -> Request:
    return requests["fuse"]


def elsewhere(request: Request, root: Path) -> Request:
    return replace(request, job=replace(request.job, root=str(root)))


def test_a_script_without_a_guard_is_not_run_again(
    request_of_fuse: Request, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    request = elsewhere(request_of_fuse, tmp_path / "root")
    (tmp_path / "request").write_bytes(pickle.dumps(request))
    command = [sys.executable, "script.py", "request"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    first = ref_of(request_of_fuse.job.root, f"fuse/2024-01/{request.job.recipe.key}")
    assert first is not None
    assert done.stdout.splitlines() == ["the script runs", first.sha256]


def test_its_error_comes_back_as_it_was_raised(request_of_fuse: Request) -> None:
    refs = {name: tuple(replace(ref, name="gone") for ref in refs)
            for name, refs in request_of_fuse.reads.items()}  # fmt: skip
    with pytest.raises(ArtifactError) as caught:
        in_new_process(replace(request_of_fuse, reads=refs), GRAPH, print, print)
    assert "gone" in caught.value.got
    # By its number a task knows whether another attempt may help.
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert caught.value.__cause__.errno == errno.ENOENT


@pytest.mark.parametrize("error", [EOFError("mine"), BrokenPipeError("mine")])
def test_an_error_of_who_listens_is_not_taken_for_the_end_of_the_process(
    requests: dict[str, Request], error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    with pytest.raises(type(error), match="mine"):
        in_new_process(requests["topics"], GRAPH, fail, fail)


def is_runner(process: Path, parent: str) -> bool:
    """Whether a process computes a result for another one."""
    try:
        command, stat = (process / "cmdline").read_text(), (process / "stat").read_text()
    except OSError:
        return False
    return "fusemine.flows.engine.child" in command and stat.rpartition(")")[2].split()[1] == parent


def when_it_computes(action: Callable[[int], None]) -> None:
    """Do something to the process of a result as soon as there is one."""

    def act() -> None:
        ours = str(os.getpid())
        while not (found := [p for p in Path("/proc").glob("[0-9]*") if is_runner(p, ours)]):
            time.sleep(0.01)
        action(int(found[0].name))

    threading.Thread(target=act, daemon=True).start()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_a_process_that_is_killed_is_an_error_that_names_the_signal(
    request_of_fuse: Request, tmp_path: Path, number: signal.Signals
) -> None:
    when_it_computes(lambda pid: os.kill(pid, number))
    with pytest.raises(StageError, match="whose process was ended") as caught:
        in_new_process(elsewhere(request_of_fuse, tmp_path), GRAPH, print, print)
    assert caught.value.got.startswith("fuse of 2024-01")
    assert f"by {number.name}, most likely for lack of memory" in caught.value.got
    assert "memory" in caught.value.fix


def test_a_process_that_reports_no_progress_is_ended(
    request_of_fuse: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STALL, "0.5")
    stopped: list[int] = []

    def stop(pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)

    when_it_computes(stop)
    with pytest.raises(StageError, match="reported no progress for") as caught:
        in_new_process(elsewhere(request_of_fuse, tmp_path), GRAPH, print, print)
    assert caught.value.got == "fuse of 2024-01 reported no progress for 0.5 s and was ended"
    assert "--stall" in caught.value.expected
    assert not any(Path(f"/proc/{pid}").exists() for pid in stopped)


def test_a_process_that_reports_progress_in_time_is_left_alone(
    request_of_fuse: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STALL, "600")
    made = in_new_process(elsewhere(request_of_fuse, tmp_path), GRAPH, print, print)
    assert made.stage == "fuse"


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_time_without_progress_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(STALL, text)
    with pytest.raises(SettingsError, match=STALL):
        stall_seconds()


def test_a_process_without_room_in_its_address_space_is_an_error(
    request_of_fuse: Request, tmp_path: Path
) -> None:
    request = elsewhere(request_of_fuse, tmp_path / "root")
    (tmp_path / "request").write_bytes(pickle.dumps(request))
    (tmp_path / "script.py").write_text(LITTLE_ROOM)
    command = [sys.executable, "script.py", "request"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("fuse of 2024-01")
    assert "memory" in done.stdout
