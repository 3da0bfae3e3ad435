"""Which runs are of a pipeline, and what is said of a database that cannot be cleared."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from prefect import Flow
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from fusemine import flows
from fusemine.flows.server.past_runs import (
    FLOWS,
    PastRuns,
    folder_of,
    is_of,
    may_be_of,
    remove_past_runs,
)

PIPELINE = Path("/data/tickets/pipeline.yaml")


@pytest.mark.parametrize(
    ("named", "ours"),
    [
        ("tickets/pipeline.yaml", True),
        ("./tickets/pipeline.yaml", True),
        ("../tickets/pipeline.yaml", True),
        ("../other/pipeline.yaml", False),
        ("..", False),
        ("other/pipeline.yaml", False),
        ("ets/pipeline.yaml", False),
        ("/data/other/pipeline.yaml", False),
        (None, False),
        (7, False),
    ],
)
def test_a_relative_path_may_name_a_pipeline(named: object, ours: bool) -> None:
    assert may_be_of(PIPELINE, named) is ours
    assert is_of(PIPELINE, named, None) is False


@pytest.mark.parametrize(
    ("named", "folder", "ours"),
    [
        ("/data/tickets/pipeline.yaml", None, True),
        ("/data/other/../tickets/pipeline.yaml", "/elsewhere", True),
        ("/data/tickets/other.yaml", None, False),
        ("pipeline.yaml", "/data/tickets", True),
        ("../tickets/pipeline.yaml", "/data/other", True),
        ("pipeline.yaml", "/data/other", False),
        (None, "/data/tickets", False),
        (7, None, False),
    ],
)
def test_a_run_is_of_the_pipeline_that_its_parameter_names_in_its_folder(
    named: object, folder: str | None, ours: bool
) -> None:
    assert is_of(PIPELINE, named, folder) is ours


@pytest.mark.parametrize(
    ("steps", "folder"),
    [
        (None, None),
        ([{"prefect.deployments.steps.git_clone": {"repository": "https://x.test"}}], None),
        ([{"prefect.deployments.steps.set_working_directory": {"directory": "{{ x }}"}}], None),
        ([{"prefect.deployments.steps.set_working_directory": {"directory": "/data"}}], "/data"),
    ],
)
def test_a_deployment_states_the_folder_that_it_works_in(
    steps: list[dict[str, Any]] | None, folder: str | None
) -> None:
    assert folder_of(steps) == folder


def test_without_a_database_there_is_nothing_to_remove(tmp_path: Path) -> None:
    with temporary_settings({PREFECT_HOME: tmp_path}, restore_defaults={PREFECT_API_URL}):
        assert remove_past_runs(PIPELINE) == PastRuns(0)
        assert PastRuns(0).lines() == []


def test_a_database_of_another_form_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_bytes(b"no database at all" * 100)
    with temporary_settings({PREFECT_HOME: tmp_path}, restore_defaults={PREFECT_API_URL}):
        [line] = remove_past_runs(PIPELINE).lines()
    assert line.startswith(f"not removed from Prefect: what {tmp_path}/prefect.db holds")
    assert (tmp_path / "prefect.db").read_bytes().startswith(b"no database")


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9/api"
    with temporary_settings({PREFECT_HOME: tmp_path, PREFECT_API_URL: nobody}):
        [line] = remove_past_runs(PIPELINE).lines()
    assert f"what the server at {nobody} holds, which does not answer" in line


def test_what_workers_have_printed_is_emptied(tmp_path: Path) -> None:
    log = tmp_path / "fusemine-ui" / "worker-cpu.log"
    log.parent.mkdir()
    log.write_text("an error that quotes a row")
    with temporary_settings({PREFECT_HOME: tmp_path}, restore_defaults={PREFECT_API_URL}):
        remove_past_runs(PIPELINE)
    assert log.read_bytes() == b""


def test_every_flow_of_a_pipeline_is_among_those_whose_past_runs_go() -> None:
    modules = [import_module(f"fusemine.flows.{m.name}") for m in iter_modules(flows.__path__)]
    found = [value for module in modules for value in vars(module).values()]
    named = {f.name for f in found if isinstance(f, Flow) and "pipeline" in f.parameters.properties}
    assert named == set(FLOWS)
