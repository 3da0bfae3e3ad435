"""`fusemine ui`: a real Prefect server with every deployment, its schedules, workers and alerts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from support.attacks import CHROMIUM, EVIL, attack
from support.served import (
    ENDED,
    PATIENCE,
    REPOSITORY,
    Served,
    command_lines,
    prefect_home,
    receiver,
)
from support.tickets import Table, tickets, write_csv

from fusemine.flows.server.credentials import credential_file
from fusemine.flows.server.gate import REFUSED

Alerts = list[dict[str, Any]]


@pytest.fixture(scope="module")
def received() -> Iterator[tuple[str, Alerts]]:
    """An address for alerts, and what has come there."""
    with receiver() as (address, alerts):
        yield address, alerts


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, received: tuple[str, Any]) -> Iterator[Served]:
    """A server with all deployments of the repository and workers for all pools but the GPU's."""
    ui = Served(prefect_home(tmp_path_factory), received[0])
    ui.bring_up()
    try:
        yield ui
    finally:
        code = ui.stop()  # by Ctrl-C
    assert code == 0
    assert ui.left() == []


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Tickets of two months, mined one at a time; March has few."""
    made = Table(tmp_path)
    rows = [row for row in tickets(90) if "2024-02" <= row["opened"] < "2024-03-05"]
    write_csv(tmp_path / "tickets.csv", rows)
    made.set(window=1, quality={"min_rows": 10})
    return made


def test_the_server_schedules_runs(served: Served) -> None:
    deadline = time.monotonic() + PATIENCE
    scheduled: list[dict[str, Any]] = []
    while not scheduled and time.monotonic() < deadline:
        runs = served.post("flow_runs/filter")
        scheduled = [run for run in runs if run["auto_scheduled"]]
        time.sleep(0.5)
    parameters = [run["parameters"] for run in scheduled]
    assert {"pipeline": "data/wildlife/pipeline.yaml", "partition": "latest"} in parameters


def test_every_deployment_is_there_and_checks_its_parameters(served: Served) -> None:
    found = served.post("deployments/filter")
    flows = {flow["id"]: flow["name"] for flow in served.post("flows/filter")}
    names = {f"{flows[d['flow_id']]}/{d['name']}": d for d in found}
    by_hand = {f"{flow}/{flow}" for flow in ("backfill", "catch-up", "prune", "status")}
    children = {f"{flow}/{flow}-{pool}" for flow in ("mine", "prepare") for pool in ("cpu", "gpu")}
    models = {"score/score", "promote/promote", "mine/retrain"}
    assert {"mine/wildlife", "mine/live", *by_hand, *children, *models} <= set(names)
    assert all(d["enforce_parameter_schema"] for d in found)
    # A backfill in the pool of its children would keep them from starting.
    assert names["backfill/backfill"]["work_pool_name"] == "control"
    assert names["mine/mine-cpu"]["work_pool_name"] == "cpu"


def test_the_run_form_describes_and_offers_what_can_be_set(served: Served) -> None:
    schema = served.deployment("backfill/backfill")["parameter_openapi_schema"]["properties"]
    assert schema["only"]["enum"] == ["missing", "failed", "all"]
    assert {"type": "string", "format": "date"} in schema["start"]["anyOf"]
    assert all(field.get("description") for field in schema.values())


def test_a_wrong_parameter_is_refused_before_anything_runs(served: Served) -> None:
    key = served.deployment("backfill/backfill")["id"]
    parameters = {"pipeline": "x.yaml", "only": "everything"}
    answer = served.ask(
        "POST", f"deployments/{key}/create_flow_run", json={"parameters": parameters}
    )
    assert answer.status_code in {409, 422}
    assert "everything" in answer.text


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("host", ["127.0.0.1", EVIL])
def test_a_page_of_another_site_can_neither_read_nor_start_anything(
    served: Served, tmp_path: Path, host: str
) -> None:
    """Under its own name, and under a name of the attacker's that leads here."""

    def runs() -> int:
        return len(served.post("flow_runs/filter", deployments={"name": {"any_": ["status"]}}))

    before, made = runs(), tmp_path / "made"
    key = served.deployment("status/status")["id"]
    seen = attack(f"http://{host}:{served.port}/api", key, made, tmp_path / "profile")
    assert {seen[way] for way in ("get", "artifacts", "start")} == {"blocked"}
    assert {seen[way] for way in ("socket", "subprotocol")} == {"blocked"}
    assert {seen[way] for way in ("simple", "untyped", "form")} == {"sent"}  # without an answer
    assert runs() == before
    assert not made.exists()


def test_without_the_credential_the_server_says_nothing(served: Served) -> None:
    for path in ("artifacts/filter", "flow_runs/filter", "logs/filter"):
        assert httpx.post(f"{served.api}/{path}", timeout=PATIENCE).status_code == 403  # no token
    for path in ("admin/settings", "csrf-token?client=x", "variables/name/health"):
        assert httpx.get(f"{served.api}/{path}", timeout=PATIENCE).status_code == 401
    answer = httpx.get(f"{served.api}/health", headers={"Host": EVIL}, timeout=PATIENCE)
    assert (answer.status_code, answer.text) == (403, REFUSED)


@pytest.mark.parametrize(
    "variables",
    [{"command": "id"}, {"env": {"LD_PRELOAD": "x"}}, {"env.PATH": "/x"}, {"working_dir": "/"}],
)
def test_a_run_can_choose_no_other_program(served: Served, variables: dict[str, Any]) -> None:
    key = served.deployment("status/status")["id"]
    path = f"deployments/{key}/create_flow_run"
    answer = served.ask("POST", path, json={"job_variables": variables})
    assert answer.status_code == 422
    assert next(iter(variables)) in answer.text


def test_the_credential_is_in_no_command_line_and_no_log(served: Served) -> None:
    secret = credential_file(served.home, served.port).read_text().strip()
    commands = command_lines().values()
    logs = [path.read_text() for path in (served.home / "fusemine-ui").glob("*.log")]
    shown = [*served.said, *logs, json.dumps(served.post("logs/filter"))]
    assert not any(secret in text for text in shown)
    assert not any(secret in command for command in commands)
    assert any(str(credential_file(served.home, served.port)) in line for line in served.said)


def test_a_worker_that_is_killed_is_started_again_and_the_others_go_on(
    served: Served, tmp_path: Path
) -> None:
    server, killed, other = (served.process_of(name) for name in ("gate", "cpu", "control"))
    os.kill(killed, signal.SIGKILL)
    until = time.monotonic() + PATIENCE
    while served.process_of("cpu") in {killed, 0} and time.monotonic() < until:
        time.sleep(0.3)
    assert served.process_of("cpu") not in {killed, 0}
    assert (served.process_of("gate"), served.process_of("control")) == (server, other)
    run = served.trigger("mine/mine-cpu", {"pipeline": str(tmp_path / "none.yaml")})
    assert served.finished(run)["state_type"] == "FAILED"  # by the new worker


def test_a_backfill_fans_out_and_is_resumed_where_it_failed(served: Served, table: Table) -> None:
    command = ("fusemine", "backfill", table.pipeline, "--json", "--max-parallel", "2")
    failed = served.call(*command, check=False)
    assert failed.returncode == 1
    assert "1 of 2 partitions failed: 2024-03" in failed.stderr
    grid = json.loads(failed.stdout)
    states = [row["state"] for row in grid["rows"]]
    assert states == ["complete", "failed"]
    assert [row["rows"] for row in grid["rows"]] == [30, 4]
    assert "min_rows" in grid["rows"][1]["error"]
    assert grid["preparation"]["state"] == "complete"
    assert grid["resume"] in failed.stderr
    child = served.get(f"flow_runs/{grid['rows'][0]['run']}")
    assert child["parent_task_run_id"]
    assert child["parameters"]["partition"] == "2024-02"

    table.set(window=1, quality={"min_rows": 2})
    resumed = served.call("fusemine", "backfill", table.pipeline, "--json", "--resume", grid["id"])
    rows = json.loads(resumed.stdout)["rows"]
    assert [row["state"] for row in rows] == ["complete"] * 2
    assert [row["attempt"] for row in rows] == [1, 2]
    assert rows[0]["run"] == grid["rows"][0]["run"]


@pytest.mark.slow
def test_a_backfill_that_the_ui_starts_runs_in_the_control_pool(
    served: Served, table: Table
) -> None:
    table.set(window=1)
    parameters = {"pipeline": str(table.pipeline), "start": "2024-02-01", "end": "2024-02-29"}
    run = served.trigger("backfill/backfill", parameters)
    ended = served.finished(run)
    assert ended["state_type"] == "COMPLETED", ended["state"]["message"]
    assert (table.root / "latest" / "2024-02.json").is_file()
    assert not (table.root / "latest" / "2024-03.json").exists()
    tables = served.post("artifacts/filter", artifacts={"type": {"any_": ["table"]}})
    live = next(table for table in tables if table["flow_run_id"] == run)
    assert [row["state"] for row in json.loads(live["data"])] == ["complete", "complete"]


@pytest.mark.slow
def test_two_late_runs_at_once_do_no_harm_and_keep_the_date_that_they_were_scheduled_for(
    served: Served, table: Table
) -> None:
    table.set(window=1, partition={"by": "month", "timezone": "Europe/Berlin", "lag": "P1D"})
    parameters = {"pipeline": str(table.pipeline), "partition": "scheduled"}
    planned = {
        "type": "SCHEDULED",
        "state_details": {"scheduled_time": "2024-03-01T05:30:00Z"},
    }
    runs = [served.trigger("mine/mine-cpu", parameters, state=planned) for _ in range(2)]
    assert [served.finished(run)["state_type"] for run in runs] == ["COMPLETED"] * 2
    assert [path.stem for path in (table.root / "latest").glob("*.json")] == ["2024-02"]
    for stage in ("embed", "classify", "topics", "report"):
        assert len(list(table.root.glob(f"{stage}/2024-02/*"))) == 1
    assert not list(table.root.rglob(".draft-*"))


@pytest.mark.slow
def test_models_are_trained_scored_with_and_chosen_from_the_ui(
    served: Served, table: Table
) -> None:
    table.set(window=1)
    pipeline = {"pipeline": str(table.pipeline)}
    month = {**pipeline, "partition": "2024-02"}
    new = write_csv(table.folder / "new.csv", tickets(12))
    runs = [
        ("mine/retrain", month),
        ("score/score", {**pipeline, "file": str(new)}),
        ("promote/promote", {**pipeline, "model": "previous"}),
    ]
    ended = [served.finished(served.trigger(name, asked)) for name, asked in runs]
    assert [run["state_type"] for run in ended] == ["COMPLETED", "COMPLETED", "FAILED"]
    assert "no model that was in use before" in ended[2]["state"]["message"]
    (scored,) = table.root.glob("predict/new-csv/*/part-00000.*.parquet")
    assert pl.read_parquet(scored)["row_id"].to_list() == [f"T{i:04d}" for i in range(12)]
    shown = served.post("artifacts/filter", artifacts={"key": {"any_": ["scored-tickets"]}})
    assert "12 rows of new.csv scored by 2024-02-" in shown[0]["data"].replace("\\", "")


def test_a_worker_that_never_comes_is_reported_and_ctrl_c_cancels_what_waits(
    served: Served, table: Table
) -> None:
    table.set(window=1)
    code = (
        "import sys, fusemine.flows.backfills.work_pool as fleet; fleet.IDLE_SECONDS = 3; "
        "from fusemine.flows.cli.main import main; main(sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "backfill", table.pipeline, "--pool", "gpu"],
        cwd=REPOSITORY, env=served.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    line = next(line for line in process.stderr if "no worker has accepted" in line)
    assert "prefect worker start --pool gpu" in line
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "waiting" in out
    waiting = served.post(
        "flow_runs/filter",
        flow_runs={"state": {"type": {"any_": ["SCHEDULED", "PENDING"]}}},
        work_pools={"name": {"any_": ["gpu"]}},
    )
    assert waiting == []


def test_a_failed_run_is_reported_in_two_ways_and_the_address_stays_secret(
    served: Served, received: tuple[str, Alerts], tmp_path: Path
) -> None:
    address, alerts = received
    run = served.trigger("mine/mine-cpu", {"pipeline": str(tmp_path / "none.yaml")})
    assert served.finished(run)["state_type"] == "FAILED"
    until = time.monotonic() + PATIENCE
    while len(own := [a for a in alerts if run in str(a)]) < 2 and time.monotonic() < until:
        time.sleep(0.5)
    hook = next(alert for alert in own if "run_id" in alert)
    assert (hook["flow"], hook["run_id"], hook["state"]) == ("mine", run, "Failed")
    assert "none.yaml" in hook["message"]
    automation = next(alert for alert in own if "run_id" not in alert)
    assert automation["text"].startswith("mine none-latest: Failed. http")
    told = [*served.said, json.dumps(served.post("logs/filter"))]
    told += [path.read_text() for path in (served.home / "fusemine-ui").glob("*.log")]
    assert not any("s3cret" in text or address in text for text in told)


def test_a_kill_leaves_nothing_behind_and_a_restart_has_the_history(served: Served) -> None:
    def seen(what: str) -> set[str]:
        return {found["id"] for found in served.post(f"{what}/filter")}

    runs = {run["id"] for run in served.post("flow_runs/filter") if run["state_type"] in ENDED}
    deployments = seen("deployments")
    automations = len(seen("automations"))
    assert served.stop(signal.SIGKILL) == -signal.SIGKILL
    assert served.left() == []
    served.bring_up()
    assert set() < runs <= seen("flow_runs")
    assert deployments == seen("deployments")
    assert automations == len(seen("automations")) == 4


def test_a_server_that_is_not_there_is_a_sentence(served: Served, table: Table) -> None:
    away = "http://127.0.0.1:9/api"
    done = served.call("fusemine", "backfill", table.pipeline, check=False, PREFECT_API_URL=away)
    assert done.returncode == 1
    assert f"no answer from the Prefect server at {away}" in done.stderr
    assert "--resume" in done.stderr
