"""The command, as a person calls it."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.served import clean_environment, client_of, prefect_home, processes_with
from support.tickets import Table

Mine = Callable[..., Any]

FUSEMINE = Path(sys.executable).with_name("fusemine")


def call(
    *arguments: str | Path, home: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FUSEMINE, *map(str, arguments)],
        env={**clean_environment(), "PREFECT_HOME": str(home), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Prefect home of this module's runs."""
    return prefect_home(tmp_path_factory)


def servers_of(home: Path) -> list[int]:
    """Processes that run with this Prefect home."""
    return processes_with(f"PREFECT_HOME={home}")


def test_help_answers_at_once(tmp_path: Path) -> None:
    # Seconds of work, because the clock also counts what else the machine does.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = call("--help", home=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert "pipeline.yaml" in done.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_json_is_all_that_a_run_prints_and_nothing_stays_behind(table: Table, home: Path) -> None:
    done = call("run", table.pipeline, "--partition", "2024-02", "--json", home=home)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["pipeline"] == "tickets"
    assert outcome["partition"] == "2024-02"
    assert Path(outcome["report"]).is_file()
    assert outcome["seconds"] > 0
    assert outcome["stages"]["classify"]["rows_in"] == 60
    assert not servers_of(home)


def test_a_killed_run_takes_its_server_along_and_the_next_one_ends_with_the_report(
    table: Table, home: Path, server: str
) -> None:
    environment = {**clean_environment(), "PREFECT_HOME": str(home)}
    process = subprocess.Popen([FUSEMINE, "run", table.pipeline], env=environment)
    deadline = time.monotonic() + 120
    while not list(table.root.glob("clean/*/*/manifest.json")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 60
    while servers_of(home) and time.monotonic() < until:
        time.sleep(0.1)
    assert not servers_of(home)
    done = call("run", table.pipeline, home=home, **client_of(server))
    assert done.returncode == 0, done.stderr
    assert "reuses collect" in done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 7
    assert lines[6].startswith("Model in use: 2024-03-")
    assert lines[0].startswith("report: ")


def test_a_mistake_of_the_user_is_a_sentence_and_exit_code_2(table: Table, home: Path) -> None:
    table.set(colums={})
    done = call("run", table.pipeline, home=home)
    assert done.returncode == 2
    assert "did you mean 'columns'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_source_that_is_gone_is_a_sentence_and_exit_code_2(
    table: Table, home: Path, server: str
) -> None:
    (table.folder / "tickets.csv").unlink()
    done = call("run", table.pipeline, home=home, **client_of(server))
    assert done.returncode == 2
    assert "no file at" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_init_writes_what_check_and_run_accept(table: Table, home: Path, mine: Mine) -> None:
    written = call("init", table.folder / "tickets.csv", home=home)
    assert written.returncode == 0, written.stderr
    pipeline = table.folder / "tickets.pipeline.yaml"
    assert "it would run" in call("check", pipeline, home=home).stdout
    assert mine(pipeline).report.is_file()
    csv = table.folder / "out.csv"
    assert call("export", pipeline, "--output", csv, home=home).returncode == 0
    assert len(csv.read_text().splitlines()) == 91


def test_schema_is_json(tmp_path: Path) -> None:
    schema = json.loads(call("schema", home=tmp_path).stdout)
    assert {"version", "source", "columns"} <= set(schema["properties"])
