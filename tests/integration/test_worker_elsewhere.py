"""A worker runs our flows wherever it was started, also among modules that are called as ours."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.served import BIN
from support.tickets import Table

TRAP = "raise RuntimeError('this module belongs to somebody else')\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Prefect project with a `flows/` and a `tasks.py` of its own."""
    folder = tmp_path / "project"
    (folder / "flows").mkdir(parents=True)
    (folder / "flows" / "__init__.py").write_text(TRAP)
    (folder / "tasks.py").write_text(TRAP)
    return folder


def test_a_worker_beside_other_flows_and_tasks_mines(
    server: str, table: Table, project: Path
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.deployments.runner import RunnerDeployment

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="elsewhere", type="process"))
        made = RunnerDeployment.from_entrypoint(
            "fusemine.flows.pipeline.mine", "elsewhere", work_pool_name="elsewhere"
        )
        run = client.create_flow_run_from_deployment(
            made.apply(), parameters={"pipeline": str(table.pipeline), "train": "never"}
        )
        subprocess.run(
            [BIN / "prefect", "worker", "start", "--pool", "elsewhere", "--run-once"],
            cwd=project, env={**os.environ, "PREFECT_API_URL": server}, check=True,
            capture_output=True, timeout=200,
        )  # fmt: skip
        state = client.read_flow_run(run.id).state
    assert state is not None
    assert state.is_completed(), state.message
    assert (table.root / "latest" / "2024-03.json").is_file()
