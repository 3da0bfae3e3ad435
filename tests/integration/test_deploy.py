"""A real Prefect server takes every deployment, schedules runs, and fans backfills out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import REPOSITORY, Served, serving, working
from support import Table, tickets, write_csv


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with all deployments of the repository, and no worker yet."""
    with serving(tmp_path_factory.mktemp("home")) as served:
        for pool in ("cpu", "gpu", "control"):
            served.call("prefect", "--no-prompt", "work-pool", "create", pool, "--type", "process")
        served.call("prefect", "--no-prompt", "deploy", "--all")
        yield served


@pytest.fixture(scope="module")
def manned(deployed: Served) -> Iterator[Served]:
    """The same with workers for the pools of this machine."""
    with working(deployed, "cpu"), working(deployed, "control"):
        yield deployed


@pytest.fixture
def quarter(tmp_path: Path) -> Table:
    """Tickets of three months, mined one at a time; March has few."""
    made = Table(tmp_path)
    rows = [row for row in tickets(90) if row["opened"] < "2024-03-05"]
    write_csv(tmp_path / "tickets.csv", rows)
    made.set(window=1, quality={"min_rows": 10})
    return made


def deployment(served: Served, name: str) -> Any:
    return served.get(f"deployments/name/{name}")


def test_a_run_is_scheduled_within_20_seconds(deployed: Served) -> None:
    deadline = time.monotonic() + 20
    scheduled: list[dict[str, Any]] = []
    while not scheduled and time.monotonic() < deadline:
        runs = deployed.post("flow_runs/filter")
        scheduled = [run for run in runs if run["auto_scheduled"]]
        time.sleep(0.5)
    parameters = [run["parameters"] for run in scheduled]
    assert {"pipeline": "data/wildlife/pipeline.yaml", "partition": "latest"} in parameters


def test_every_deployment_is_there_and_checks_its_parameters(deployed: Served) -> None:
    found = deployed.post("deployments/filter")
    flows = {flow["id"]: flow["name"] for flow in deployed.post("flows/filter")}
    names = {f"{flows[d['flow_id']]}/{d['name']}": d for d in found}
    by_hand = {f"{flow}/{flow}" for flow in ("backfill", "catch-up", "prune", "status")}
    children = {f"{flow}/{flow}-{pool}" for flow in ("mine", "prepare") for pool in ("cpu", "gpu")}
    assert {"mine/wildlife", "mine/live", *by_hand, *children} <= set(names)
    assert all(d["enforce_parameter_schema"] for d in found)
    # A backfill in the pool of its children would keep them from starting.
    assert names["backfill/backfill"]["work_pool_name"] == "control"
    assert names["mine/mine-cpu"]["work_pool_name"] == "cpu"


def test_the_run_form_describes_and_offers_what_can_be_set(deployed: Served) -> None:
    schema = deployment(deployed, "backfill/backfill")["parameter_openapi_schema"]["properties"]
    assert schema["only"]["enum"] == ["missing", "failed", "all"]
    assert {"type": "string", "format": "date"} in schema["start"]["anyOf"]
    assert all(field.get("description") for field in schema.values())


def test_a_wrong_parameter_is_refused_before_anything_runs(deployed: Served) -> None:
    key = deployment(deployed, "backfill/backfill")["id"]
    answer = httpx.post(
        f"{deployed.api}/deployments/{key}/create_flow_run",
        json={"parameters": {"pipeline": "x.yaml", "only": "everything"}},
    )
    assert answer.status_code in {409, 422}
    assert "everything" in answer.text


def test_a_backfill_fans_out_and_is_resumed_where_it_failed(manned: Served, quarter: Table) -> None:
    command = ("fusemine", "backfill", quarter.pipeline, "--json", "--max-parallel", "2")
    failed = manned.call(*command, check=False)
    assert failed.returncode == 1
    assert "1 of 3 partitions failed: 2024-03" in failed.stderr
    grid = json.loads(failed.stdout)
    states = [row["state"] for row in grid["rows"]]
    assert states == ["complete", "complete", "failed"]
    assert [row["rows"] for row in grid["rows"]] == [30, 30, 4]
    assert "min_rows" in grid["rows"][2]["error"]
    assert grid["preparation"]["state"] == "complete"
    assert grid["resume"] in failed.stderr
    child = manned.get(f"flow_runs/{grid['rows'][0]['run']}")
    assert child["parent_task_run_id"]
    assert child["parameters"]["partition"] == "2024-01"

    quarter.set(window=1, quality={"min_rows": 2})
    resumed = manned.call(
        "fusemine", "backfill", quarter.pipeline, "--json", "--resume", grid["id"]
    )
    rows = json.loads(resumed.stdout)["rows"]
    assert [row["state"] for row in rows] == ["complete"] * 3
    assert [row["attempt"] for row in rows] == [1, 1, 2]
    assert rows[0]["run"] == grid["rows"][0]["run"]


def test_a_backfill_that_the_ui_starts_runs_in_the_control_pool(
    manned: Served, quarter: Table
) -> None:
    quarter.set(window=1)
    key = deployment(manned, "backfill/backfill")["id"]
    parameters = {"pipeline": str(quarter.pipeline), "start": "2024-02-01", "end": "2024-02-29"}
    run = manned.post(f"deployments/{key}/create_flow_run", parameters=parameters)
    ended = manned.finished(run["id"])
    assert ended["state_type"] == "COMPLETED", ended["state"]["message"]
    assert (quarter.root / "latest" / "2024-02.json").is_file()
    assert not (quarter.root / "latest" / "2024-03.json").exists()
    tables = manned.post("artifacts/filter", artifacts={"type": {"any_": ["table"]}})
    live = next(table for table in tables if table["flow_run_id"] == run["id"])
    assert [row["state"] for row in json.loads(live["data"])] == ["complete", "complete"]


def test_two_runs_of_one_partition_at_once_do_no_harm(manned: Served, quarter: Table) -> None:
    quarter.set(window=1)
    key = deployment(manned, "mine/mine-cpu")["id"]
    parameters = {"pipeline": str(quarter.pipeline), "partition": "2024-01"}
    runs = [
        manned.post(f"deployments/{key}/create_flow_run", parameters=parameters) for _ in range(2)
    ]
    assert [manned.finished(run["id"])["state_type"] for run in runs] == ["COMPLETED"] * 2
    for stage in ("embed", "classify", "cluster", "report"):
        assert len(list(quarter.root.glob(f"{stage}/2024-01/*"))) == 1
    assert not list(quarter.root.rglob(".draft-*"))


def test_a_late_run_keeps_the_partition_that_it_was_scheduled_for(
    manned: Served, quarter: Table
) -> None:
    quarter.set(window=1, partition={"by": "month", "timezone": "Europe/Berlin", "lag": "P1D"})
    key = deployment(manned, "mine/mine-cpu")["id"]
    run = manned.post(
        f"deployments/{key}/create_flow_run",
        parameters={"pipeline": str(quarter.pipeline), "partition": "scheduled"},
        state={"type": "SCHEDULED", "state_details": {"scheduled_time": "2024-03-01T05:30:00Z"}},
    )
    assert manned.finished(run["id"])["state_type"] == "COMPLETED"
    assert [path.stem for path in (quarter.root / "latest").glob("*.json")] == ["2024-02"]


def test_a_worker_that_never_comes_is_said_and_ctrl_c_cancels_what_waits(
    deployed: Served, quarter: Table
) -> None:
    quarter.set(window=1)
    code = (
        "import sys, flows.fleet as fleet; fleet.SAID_AFTER = 3; "
        "from flows.cli import main; main(sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "backfill", quarter.pipeline, "--pool", "gpu"],
        cwd=REPOSITORY, env=deployed.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    said = next(line for line in process.stderr if "no worker has taken" in line)
    assert "prefect worker start --pool gpu" in said
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "waiting" in out
    waiting = deployed.post(
        "flow_runs/filter",
        flow_runs={"state": {"type": {"any_": ["SCHEDULED", "PENDING"]}}},
        work_pools={"name": {"any_": ["gpu"]}},
    )
    assert waiting == []


def test_a_server_that_is_not_there_is_a_sentence(deployed: Served, quarter: Table) -> None:
    away = {**deployed.environment, "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    done = Served("", away).call("fusemine", "backfill", quarter.pipeline, check=False)
    assert done.returncode == 1
    assert "no answer from the Prefect server at http://127.0.0.1:9/api" in done.stderr
    assert "--resume" in done.stderr
