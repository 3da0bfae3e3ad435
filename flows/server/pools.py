"""The work pools of a local Prefect, and what their runs may set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect.client.orchestration import SyncPrefectClient

POOLS = {"cpu": 2, "gpu": 1, "control": 10}
"""The work pools, with the runs that each has at a time when it is made."""
_FIXED = ("command", "env", "working_dir")
"""What decides which program a run is: its deployment's entrypoint alone."""


def make_pools(client: SyncPrefectClient, echo: Callable[[str], None]) -> None:
    """Create the pools that are missing; the others stay as their owner has set them.

    A pool as Prefect makes it is closed like ours: there, whoever can start a run can have the
    worker execute any command.

    Args:
        client: Client of the server.
        echo: Prints which pools are open.
    """
    closed = base_job_template()
    for name, limit in POOLS.items():
        try:
            found = client.read_work_pool(name)
        except ObjectNotFound:
            pool = WorkPoolCreate(
                name=name, type="process", base_job_template=closed, concurrency_limit=limit
            )
            client.create_work_pool(pool)
            continue
        if _values(found.base_job_template) == _values(_default()):
            client.update_work_pool(name, WorkPoolUpdate(base_job_template=closed))
        elif open_to := _open_to(found.base_job_template):
            echo(f"the runs of work pool {name}, as it was set, may set {', '.join(open_to)}")


def base_job_template() -> dict[str, Any]:
    """Prefect's template of a process, less what would let a run be another program."""
    template = _default()
    for part in (template["job_configuration"], template["variables"]["properties"]):
        for name in _FIXED:
            part.pop(name, None)
    template["variables"]["additionalProperties"] = False  # refused, and not just ignored
    return template


def _default() -> dict[str, Any]:
    return ProcessWorker.get_default_base_job_template()


def _values(template: dict[str, Any]) -> tuple[object, dict[str, object]]:
    """What a template does; its titles and descriptions differ between versions of Prefect."""
    variables = template.get("variables", {}).get("properties", {})
    return template.get("job_configuration"), {k: v.get("default") for k, v in variables.items()}


def _open_to(template: dict[str, Any]) -> list[str]:
    """Which of the fixed things a run may set."""
    made = template.get("job_configuration", {})
    # Prefect merges a run's variables into `env` wherever the template has one.
    return [name for name in _FIXED if "{{" in str(made.get(name)) or (name == "env" in made)]
