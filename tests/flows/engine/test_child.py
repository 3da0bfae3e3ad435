"""A result that is computed in a process of its own."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.small_root import SmallRoot, row
from support.stage_runs import PlainRunner, mine_plainly

from fusemine.flows.engine.child import in_new_process
from fusemine.tasks.core.errors import ArtifactError, StageError
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


@pytest.fixture(scope="module")
def request_of_fuse(tmp_path_factory: pytest.TempPathFactory) -> Request:
    small = SmallRoot(tmp_path_factory.mktemp("small"))
    small.write(*(row(number, "2024-01-01") for number in range(40)))
    runner = PlainRunner()
    mine_plainly(small.pipeline, runner=runner)
    return next(request for request in runner.requests if request.job.stage == "fuse")


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


def is_runner(process: Path, parent: str) -> bool:
    """Whether a process computes a result for another one."""
    try:
        command, stat = (process / "cmdline").read_text(), (process / "stat").read_text()
    except OSError:
        return False
    return "fusemine.flows.engine.child" in command and stat.rpartition(")")[2].split()[1] == parent


def test_a_process_that_is_killed_is_an_error(request_of_fuse: Request, tmp_path: Path) -> None:
    def kill() -> None:
        ours = str(os.getpid())
        while not (found := [p for p in Path("/proc").glob("[0-9]*") if is_runner(p, ours)]):
            time.sleep(0.01)
        os.kill(int(found[0].name), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(StageError, match="whose process was ended"):
        in_new_process(elsewhere(request_of_fuse, tmp_path), GRAPH, print, print)
