"""What goes wrong while a run goes on: it is said, nothing is lost, and the next run goes on."""

from __future__ import annotations

import errno
import hashlib
import json
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.served import (
    clean_environment,
    client_of,
    prefect_home,
    processes_with,
    temporary_server,
)
from support.tickets import Table, tickets, write_csv

from fusemine.tasks.core.errors import SourceError, StageError
from fusemine.tasks.core.key import Recipe
from fusemine.tasks.core.request import Request
from fusemine.tasks.core.storage.artifact import ArtifactRef, Job, ref_of
from fusemine.tasks.graph import GRAPH

FUSEMINE = Path(sys.executable).with_name("fusemine")
Flow = Callable[..., Any]


def start(home: Path, *command: str | Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [FUSEMINE, *command],
        env={**clean_environment(), "PREFECT_HOME": str(home), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


def contents(root: Path) -> dict[str, str]:
    """Hashes of all Parquet files but the store's, whose parts are cut by time."""
    files = [f for f in sorted(root.rglob("*.parquet")) if "store" not in f.parts]
    return {
        f.relative_to(root).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
    }


@pytest.mark.slow
def test_a_backfill_killed_at_random_moments_ends_with_the_bytes_of_a_quiet_one(
    table: Table, server: str, tmp_path: Path
) -> None:
    from fusemine.flows.backfill import backfill

    table.set(window=2)
    backfill(table.pipeline)
    quiet = contents(table.root.rename(tmp_path / "quiet"))
    chance = random.Random(3)
    command = ["backfill", str(table.pipeline), "--pool", "here", "--json"]
    home = tmp_path / "home"
    for _ in range(2):
        process = start(home, *command, **client_of(server))
        until = time.monotonic() + 200
        while not list(table.root.glob("clean/*/*/manifest.json")):
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert processes_with(f"PREFECT_HOME={home}") == []
        command += ["--resume", next(table.root.glob("backfills/*.json")).stem]
        command = command[: command.index("--resume") + 2]
    code, out, err = ended(start(home, *command, **client_of(server)))
    assert code == 0, err
    assert {row["state"] for row in json.loads(out)["rows"]} == {"complete"}
    assert contents(table.root) == quiet
    assert not list(table.root.rglob(".draft-*.json"))


@pytest.mark.slow
def test_a_server_that_dies_half_way_stops_no_backfill_in_one_process(
    table: Table, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table.set(window=1)
    with temporary_server(prefect_home(tmp_path_factory)) as (address, process):
        backfill = start(
            tmp_path / "home", "backfill", str(table.pipeline), "--pool", "here",
            PREFECT_API_URL=address, PREFECT_CLIENT_MAX_RETRIES="1",
        )  # fmt: skip
        until = time.monotonic() + 200
        while not list(table.root.glob("report/2024-01/*/manifest.json")):
            assert time.monotonic() < until
            time.sleep(0.05)
        process.kill()
        code, out, err = ended(backfill)
    assert [path.stem for path in sorted(table.root.glob("latest/*.json"))] == [
        "2024-01", "2024-02", "2024-03",
    ]  # fmt: skip
    assert out.count("complete") == 3
    # Prefect itself cannot say that the run has ended.
    assert code == 1
    assert f"no answer from the Prefect server at {address}" in err
    assert "--resume" in err
    assert "Traceback" not in err


def test_a_full_disk_is_a_sentence_and_the_next_run_reuses_what_is_complete(
    table: Table, server: str, tmp_path: Path
) -> None:
    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [FUSEMINE, "run", table.pipeline]
    full = subprocess.run(
        command, env={**clean_environment(), **client_of(server)},
        preexec_fn=no_large_files, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert full.returncode == 1
    assert "embed of 2024-01 failed on the rows of clean/2024-01/" in full.stderr
    assert "room on the disk" in full.stderr
    assert "Traceback" not in full.stderr
    assert not list(table.root.rglob(".draft-*"))
    assert json.loads((table.root / "failed" / "2024-03.json").read_text())["stage"] == "embed"
    from fusemine.flows.pipeline import mine

    outcome = mine(table.pipeline)
    assert outcome.stages["clean"].reused
    assert not list(table.root.glob("failed/*.json"))


def test_a_stage_that_fails_names_its_rows_and_where_they_are_shown(
    table: Table, mine: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("fusemine.tasks.mine.anomalies.compute.run", fails)
    with pytest.raises(StageError) as caught:
        mine(table.pipeline, "2024-02")
    assert caught.value.got.startswith("anomalies of 2024-02 failed on the rows of clean/2024-01/")
    assert "ZeroDivisionError: division by zero" in caught.value.got
    failure = json.loads((table.root / "failed" / "2024-02.json").read_text())
    assert (failure["stage"], failure["attempts"]) == ("anomalies", 1)


def _quiet(*_: object) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def collecting(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[..., ArtifactRef]], ArtifactRef]:
    """A function that lets another one compute the inventory in its task, within a flow."""
    from prefect import flow

    from fusemine.tasks.core import task

    monkeypatch.setattr(task, "RETRY_DELAYS", (0.1, 0.1))
    request = Request(Job(str(tmp_path), "inventory", "all", Recipe()), {})

    def collect(compute: Callable[..., ArtifactRef]) -> ArtifactRef:
        made: Any = flow(lambda: task.run_task(request, GRAPH, _quiet, compute=compute))()
        return made

    return collect


@pytest.mark.parametrize(("number", "attempts"), [(errno.EIO, 3), (errno.ENOENT, 1)])
def test_a_source_that_may_come_back_is_asked_again(
    collecting: Any, number: int, attempts: int
) -> None:
    asked = []

    def compute(*_: object) -> ArtifactRef:
        asked.append(1)
        raise SourceError("it is away", "an answer", "wait") from OSError(number, "away")

    with pytest.raises(SourceError):
        collecting(compute)
    assert len(asked) == attempts


def test_what_came_back_is_used(collecting: Any, table: Table, mine: Flow) -> None:
    mine(table.pipeline)
    [path] = table.root.glob("inventory/all/*")
    there = ref_of(table.root, f"inventory/all/{path.name}")
    asked = []

    def compute(*_: object) -> ArtifactRef | None:
        asked.append(1)
        if len(asked) == 1:
            raise OSError(errno.ESTALE, "away")
        return there

    assert collecting(compute) == there


def test_missed_partitions_are_caught_up_and_older_ones_left_to_a_backfill(
    tmp_path: Path, mine: Flow
) -> None:
    from fusemine.flows.catch_up import catch_up

    year = Table(tmp_path)
    write_csv(tmp_path / "tickets.csv", tickets(150, months=5))
    year.set(window=1)
    assert catch_up(year.pipeline, pool="here") is None  # no run yet, and so none missed
    for month in ("2024-02", "2024-04"):
        mine(year.pipeline, month)
    plan = catch_up(year.pipeline, pool="here")
    assert {row.partition: str(row.state) for row in plan.rows} == {
        "2024-03": "complete",
        "2024-04": "complete before",
        "2024-05": "complete",
    }
    assert sorted(path.stem for path in year.root.glob("latest/*.json")) == [
        "2024-02", "2024-03", "2024-04", "2024-05",
    ]  # fmt: skip
    assert catch_up(year.pipeline, pool="here") is None


def test_a_partition_that_keeps_failing_is_left_to_a_person(tmp_path: Path, mine: Flow) -> None:
    from fusemine.flows.catch_up import catch_up
    from fusemine.tasks.core.errors import RunError

    year = Table(tmp_path)
    write_csv(tmp_path / "tickets.csv", tickets(60, months=2))
    year.set(window=1)
    mine(year.pipeline, "2024-01")
    year.set(window=1, quality={"min_rows": 1000})
    for _ in range(3):
        with pytest.raises(RunError, match="2024-02"):
            catch_up(year.pipeline, pool="here")
    assert catch_up(year.pipeline, pool="here") is None
