"""What Prefect is sent of a run, and what is left of it once a row is forgotten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from support.report.page import kinds
from support.served import clean_environment
from support.tickets import Table, tickets, write_csv
from support.traces import traces

from fusemine.flows.cli.main import main
from fusemine.flows.server.credentials import CLIENT, credential_file
from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.table.escaping import escape_markdown

Mine = Callable[..., Any]
ROW = {"ticket": "PLANTED-77", "product": "raregnu", "minutes": "98761234"}
TEXT = "zyxqua plonkrare zyxqua broke"
WORDS = ("PLANTED-77", "raregnu", "zyxqua", "plonkrare")
TITLE = "[click](javascript:alert(1)) ![x](http://127.0.0.1:9/x.png) <b>b</b> **c**"
SECONDS = 60
FUSEMINE = Path(sys.executable).with_name("fusemine")


@pytest.fixture
def home(server: str) -> Path:
    """The folder of the server's database."""
    return Path(os.environ["PREFECT_HOME"])


@pytest.fixture
def planted(table: Table) -> Table:
    rows = tickets(90)
    rows[40] |= {**ROW, "body": TEXT}
    write_csv(table.folder / "tickets.csv", rows)
    return table


def forget(table: Table) -> dict[str, Any]:
    done = CliRunner().invoke(main, ["forget", str(table.pipeline), ROW["ticket"], "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def until(happened: Callable[[], bool]) -> None:
    """The server writes events with a delay."""
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.2)


def ended(home: Path, outcome: Any) -> bool:
    """Whether all events of a run have come."""
    found = traces(home, "prefect.artifact-collection.created")
    return outcome.report is not None and any("events" in place for place in found)


def artifacts(key: str) -> list[Any]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    with get_client(sync_client=True) as client:
        return client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        )


def test_prefect_is_sent_counts_and_nothing_of_a_row(
    planted: Table, mine: Mine, home: Path
) -> None:
    planted.set(name="counted", title=TITLE)
    outcome = mine(planted.pipeline)
    until(lambda: ended(home, outcome))
    assert traces(planted.folder / "artifacts", *WORDS)
    assert traces(home, *WORDS) == []
    [shown] = artifacts("counted-2024-03-report")
    assert escape_markdown(outcome.report) in shown.data
    assert "| clean | 90 | 90 | 0 |" in shown.data
    assert kinds(shown.description) <= {"inline", "text", "text_special", "paragraph_open",
                                        "paragraph_close"}  # fmt: skip
    assert "theme" not in str(shown.data).replace("topics | themes", "")


def test_what_was_asked_for_is_sent_and_forgetting_removes_it(
    planted: Table, mine: Mine, home: Path
) -> None:
    planted.set(name="told", report={"publish": "full"})
    mine(planted.pipeline)
    until(lambda: any(place.endswith("events") for place in traces(home, *WORDS)))
    assert {place.rpartition(" ")[2] for place in traces(home, *WORDS)} >= {
        "artifact", "artifact_collection", "events",
    }  # fmt: skip
    found = forget(planted)
    assert found["prefect"] == {"removed": 1, "left": []}
    assert traces(home, *WORDS) == []
    assert traces(planted.folder / "artifacts", *WORDS) == []
    assert artifacts("told-2024-03-report") == []
    assert forget(planted)["prefect"]["removed"] == 0


def test_forgetting_leaves_the_runs_of_other_pipelines(
    planted: Table, mine: Mine, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Table(tmp_path / "other")
    write_csv(other.folder / "tickets.csv", tickets(90))
    other.set(name="other", window=1)
    planted.set(name="mine", window=1)
    mine(other.pipeline, "2024-01")
    mine(planted.pipeline, "2024-02")
    forget(planted)
    assert artifacts("mine-2024-02-report") == []
    assert len(artifacts("other-2024-01-report")) == 1


def test_forgetting_finds_the_password_of_a_server_of_this_machine(
    planted: Table, mine: Mine, server: str, tmp_path: Path
) -> None:
    planted.set(name="found")
    mine(planted.pipeline, "2024-02")
    file = credential_file(tmp_path / "home", urlsplit(server).port or 0)
    file.parent.mkdir(parents=True)
    file.write_text(os.environ[CLIENT])
    done = subprocess.run(
        [FUSEMINE, "forget", planted.pipeline, ROW["ticket"], "--json"],
        env={**clean_environment(), "PREFECT_HOME": str(tmp_path / "home"),
             "PREFECT_API_URL": server},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prefect"]["removed"] == 1
    assert artifacts("found-2024-02-report") == []


def test_on_a_server_of_others_only_what_is_ours_for_certain_goes(
    server: str, table: Table, tmp_path: Path
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_HOME, temporary_settings
    from prefect.states import Completed

    from fusemine.flows.server.past_runs import remove_past_runs

    step, places = "prefect.deployments.steps.set_working_directory", (table.folder, "/other", None)
    with get_client(sync_client=True) as client:
        flow, runs = client.create_flow_from_name("mine"), []
        for number, place in enumerate(places):
            steps = [{step: {"directory": str(place)}}] if place else None
            made = client.create_deployment(flow, f"of-{number}", pull_steps=steps)
            named = {"pipeline": "pipeline.yaml"}
            runs.append(client.create_flow_run_from_deployment(made, parameters=named).id)
            client.set_flow_run_state(runs[-1], Completed(), force=True)
        with temporary_settings({PREFECT_HOME: tmp_path / "none"}):
            found = remove_past_runs(table.pipeline)
        assert found.removed == 1
        assert f"1 run(s) at {server} of a pipeline 'pipeline.yaml'" in found.left[1]
        left = {run.id for run in client.read_flow_runs(limit=200)}
        assert [run in left for run in runs] == [False, True, True]
    with temporary_settings({PREFECT_HOME: tmp_path, PREFECT_API_AUTH_STRING: "me:wrong"}):
        assert "which answers 401" in remove_past_runs(table.pipeline).left[0]


def test_an_error_that_quotes_a_row_is_told_below_the_root_and_not_to_prefect(
    planted: Table, mine: Mine, home: Path
) -> None:
    path = planted.folder / "tickets.csv"
    path.write_text(path.read_text() + f'T9,2024-03-02,"{TEXT} and so on')
    with pytest.raises(SourceError, match="a quote that is never closed") as caught:
        mine(planted.pipeline, "2024-03")
    assert "zyxqua" in str(caught.value)
    until(lambda: bool(traces(home, "whose words may quote rows")))
    time.sleep(2)  # what comes last are events and logs
    assert traces(home, *WORDS) == []
    failure = json.loads((planted.root / "failed" / "2024-03.json").read_text())
    assert "zyxqua" in failure["error"]
    assert "zyxqua" not in failure["public"]


def test_prefects_database_is_for_its_owner_alone(home: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o077 for path in home.glob("prefect.db*")}
    assert "prefect.db" in modes
    assert set(modes.values()) == {0}
