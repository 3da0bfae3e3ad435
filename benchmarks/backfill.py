"""What orchestration costs a backfill: in time for each partition, and in memory.

    python benchmarks/backfill.py --months 24

Needs the wildlife data (`make demo` fetches it). The same months are mined four times, each time
from nothing: by the work itself in one process, without Prefect; by a backfill in
one process; and by a backfill on two runs at a time of a worker. What a deployment run costs
Prefect itself is measured by as many runs of a flow that does nothing.

The speed of a shared machine drifts by a third within minutes. So what a partition costs beside
its stages is taken from their own clocks, and the work itself is timed before and after.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local import BIN, HERE, environment, pipeline, server, start_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusemine.tasks.core.inputs import Progress
    from fusemine.tasks.core.request import Request
    from fusemine.tasks.core.storage.artifact import ArtifactRef

NOTHING = """
from prefect import flow

@flow(log_prints=False)
def nothing() -> None:
    pass
"""
DEPLOY = """
import sys
from prefect import flow
flow.from_source(sys.argv[1], "nothing.py:nothing").deploy("nothing", work_pool_name="cpu")
"""
RUN = """
import sys, time
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
runs = [run_deployment("nothing/nothing", timeout=0).id for _ in range(int(sys.argv[1]))]
with get_client(sync_client=True) as client:
    while not all(client.read_flow_run(run).state.is_final() for run in runs):
        time.sleep(1)
"""


def main() -> None:
    options = arguments()
    if options.child:
        print(json.dumps(CHILDREN[options.child](Path(options.pipeline))))
        return
    with tempfile.TemporaryDirectory(prefix="fusemine-backfill-") as name:
        folder = Path(name)
        made = {way: pipeline(folder / way, options.months, window=options.window)
                for way in ("work", "again", "here", "fleet")}  # fmt: skip
        few = pipeline(folder / "few", max(2, options.months // 4), window=options.window)
        alone = in_child("work", made["work"], folder)
        short = in_child("here", few, folder)
        here = in_child("here", made["here"], folder)
        work = in_child("work", made["again"], folder)  # on both sides of what it is held against
        with server(folder) as extra:
            worker = start_worker(folder, extra)
            fleet = seconds_of_fleet(made["fleet"], folder, extra)
            runs = options.months + 1  # one prepares all of them
            nothing = seconds_of_nothing(runs, folder, extra)
            worker.terminate()
            worker.wait()
    show(options.months, [alone, work], here, short, fleet, nothing)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--window", type=int, default=12)
    parser.add_argument("--child", choices=["work", "here"], help=argparse.SUPPRESS)
    parser.add_argument("--pipeline", help=argparse.SUPPRESS)
    return parser.parse_args()


def show(
    months: int,
    works: list[dict[str, float]],
    here: dict[str, float],
    short: dict[str, float],
    fleet: float,
    nothing: float,
) -> None:
    work = sum(w["seconds"] for w in works) / len(works)
    memory = max(w["megabytes"] for w in works)
    beside = [run["seconds"] - run["stages"] for run in (here, *works)]
    each = (beside[0] - sum(beside[1:]) / len(works)) / months
    ratio = (fleet - nothing) / work
    times = " and ".join(f"{w['seconds']:.1f}" for w in works)
    print(f"the work itself, {months} months: {times} s, {memory:.0f} MB at most")
    print(
        f"backfill in one process: {here['seconds']:.1f} s, {each:.2f} s more a partition (< 0.5)"
    )
    print(
        f"its memory: {here['megabytes']:.0f} MB, {here['megabytes'] - memory:+.0f} MB (< 50); "
        f"{short['megabytes']:.0f} MB over fewer months"
    )
    print(f"backfill, two runs at a time: {fleet:.1f} s; as many runs of nothing: {nothing:.1f} s")
    print(f"beyond Prefect's own cost: {ratio:.2f} x the work itself (<= 1.3)")


def in_child(what: str, path: Path, folder: Path) -> dict[str, float]:
    """Mine all months in a process of its own; its seconds and its memory at most."""
    command = [sys.executable, __file__, "--child", what, "--pipeline", str(path)]
    done = subprocess.run(
        command, env=environment(folder, {}), cwd=HERE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{what} {path.parent.name}: {found}", flush=True)
    return found


def measured(path: Path, call: Callable[[], Any]) -> dict[str, float]:
    """Seconds in all and those within the stages' own work, and the most memory."""
    started = time.monotonic()
    call()
    seconds = time.monotonic() - started
    manifests = path.parent.glob("artifacts/*/*/*/*/manifest.json")
    stages = sum(json.loads(m.read_text(encoding="utf-8"))["seconds"] for m in manifests)
    return {
        "seconds": round(seconds, 2),
        "stages": round(stages, 2),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def here(path: Path) -> dict[str, float]:
    """A backfill in this process."""
    from fusemine.flows.server.temporary import ensure_server, set_defaults

    set_defaults()
    ensure_server()
    from fusemine.flows.backfill import backfill

    return measured(path, lambda: backfill(path, pool="here"))


def work(path: Path) -> dict[str, float]:
    """The same work, computed in no task of Prefect."""
    from fusemine.flows.config.pipeline import load_pipeline
    from fusemine.flows.engine.plan import make_plan
    from fusemine.flows.engine.session import open_session
    from fusemine.flows.engine.walk import Walk

    def mine_all() -> None:
        loaded = load_pipeline(path)
        session = open_session(loaded, PlainRunner())
        for partition in session.listing.raw:
            walk = Walk(session, make_plan(loaded, session.listing.raw, partition))
            walk.check()
            walk.prepare()
            walk.mine()
            walk.report()

    return measured(path, mine_all)


class PlainRunner:
    """Computes in this process, and shows nothing."""

    def log(self, level: int, text: str, *values: object) -> None:
        """Nothing."""

    def run(
        self, request: Request, progress: Progress, found: ArtifactRef | None = None
    ) -> ArtifactRef:
        from fusemine.tasks.core.inputs import execute
        from fusemine.tasks.graph import GRAPH

        return found or execute(request, GRAPH, progress, lambda *_: None)


CHILDREN = {"work": work, "here": here}


def seconds_of_fleet(path: Path, folder: Path, extra: dict[str, str]) -> float:
    command = [BIN / "fusemine", "backfill", str(path), "--pool", "cpu", "--max-parallel", "2"]
    started = time.monotonic()
    done = subprocess.run(
        command, env=environment(folder, extra), cwd=HERE, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return time.monotonic() - started


def seconds_of_nothing(runs: int, folder: Path, extra: dict[str, str]) -> float:
    """As many runs of a flow that does nothing, as the same worker takes them."""
    (folder / "nothing.py").write_text(NOTHING)
    settings = environment(folder, extra)
    call = [sys.executable, "-c", DEPLOY, str(folder)]
    subprocess.run(call, env=settings, check=True, capture_output=True)
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", RUN, str(runs)], env=settings, check=True)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
