"""Removing a pipeline's past runs from Prefect, because what it kept of them may quote a row.

A server's API removes runs, their states, artifacts and logs, but no events. A database in a file
of this machine is cleared as well, with its events, free pages and the log written ahead.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect.settings import get_current_settings

from fusemine.flows.server.credentials import CLIENT, present_credential
from fusemine.flows.server.errors import ANSWERS_WITHIN, is_unreachable
from fusemine.flows.server.home import database_file, make_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

FLOWS = ("mine", "prepare", "backfill", "catch-up", "score", "status", "prune", "promote")
"""The flows that have a parameter `pipeline`."""
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
PAGE = 200
SECONDS = 30.0
"""How long to wait for others who use the database."""

_RUNS = f"""
    select run.id, run.parameters, deployment.pull_steps
    from flow_run run join flow on flow.id = run.flow_id
    left join deployment on deployment.id = run.deployment_id
    where flow.name in {FLOWS} and run.state_type in {ENDED}
"""  # noqa: S608  (constants)
# What Prefect records of a run, an artifact or a task run as an event names it as a resource.
_CLEAR = """
    create temp table resource as
        select 'prefect.flow-run.' || id as id from gone
        union select 'prefect.task-run.' || id from task_run where flow_run_id in gone
        union select 'prefect.artifact.' || id from artifact where flow_run_id in gone
        union select 'prefect.artifact-collection.' || id from artifact_collection
            where flow_run_id in gone;
    create temp table happened as
        select event_id as id from event_resources where resource_id in resource
        union select id from events where resource_id in resource;
    delete from event_resources where event_id in happened;
    delete from events where id in happened;
    delete from artifact_collection where flow_run_id in gone;
    delete from artifact where flow_run_id in gone;
    delete from log where flow_run_id in gone;
    delete from flow_run where id in gone;
"""


@dataclass(frozen=True)
class PastRuns:
    """What was removed from Prefect.

    Args:
        removed: How many runs.
        left: What could not be reached, a sentence for each.
    """

    removed: int
    left: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The result for people."""
        removed = [f"runs removed from Prefect: {self.removed:,}"] if self.removed else []
        return [*removed, *(f"not removed from Prefect: {what}" for what in self.left)]


def remove_past_runs(pipeline: Path) -> PastRuns:
    """Remove the ended runs of a pipeline from the server in use and from this machine's database.

    Args:
        pipeline: The pipeline.yaml, resolved.
    """
    here, left = _remove_here(pipeline)
    _empty_logs()
    url = get_current_settings().api.url
    there, more = _remove_there(pipeline, url) if url else (0, [])
    return PastRuns(here + there, (*left, *more))


def is_of(pipeline: Path, named: object, folder: str | None) -> bool:
    """Whether a run's parameter names a pipeline for certain.

    Args:
        pipeline: The pipeline.yaml, resolved.
        named: The parameter.
        folder: Where its deployment works; None if that is not known.
    """
    if not isinstance(named, str) or not (folder or Path(named).is_absolute()):
        return False
    return Path(folder or "/", named).resolve() == pipeline


def may_be_of(pipeline: Path, named: object) -> bool:
    """Whether a relative path in a run's parameter names it, from whatever folder that starts."""
    if not isinstance(named, str) or Path(named).is_absolute():
        return False
    parts = Path(os.path.normpath(named)).parts
    below = [part for part in parts if part != ".."]
    return list(pipeline.parts[-len(below) :]) == below != []


def folder_of(pull_steps: list[dict[str, Any]] | None) -> str | None:
    """The folder that a deployment works in, as its steps say; None if they do not."""
    set_to = [
        inputs.get("directory")
        for step in pull_steps or []
        for name, inputs in step.items()
        if name.endswith("set_working_directory") and isinstance(inputs, dict)
    ]
    return str(set_to[-1]) if set_to and set_to[-1] and Path(set_to[-1]).is_absolute() else None


def _remove_here(pipeline: Path) -> tuple[int, list[str]]:
    """Clear the database in a file of this machine."""
    file = database_file()
    if file is None or not file.is_file():
        return 0, []
    make_private()
    try:
        with closing(sqlite3.connect(file, SECONDS, isolation_level=None)) as database:
            found = _clear(database, pipeline)
            return found, [f"{what} of {file}" for what in _compact(database)]
    except sqlite3.Error as error:
        return 0, [f"what {file} holds ({error}); stop what uses it, and forget the row again"]


def _clear(database: sqlite3.Connection, pipeline: Path) -> int:
    for setting in ("foreign_keys", "secure_delete"):
        database.execute(f"pragma {setting} = on")
    database.execute("begin immediate")
    try:
        runs = database.execute(_RUNS).fetchall()
        ours = [(run,) for run, given, steps in runs if _is_ours(pipeline, given, steps)]
        database.execute("create temp table gone (id)")
        database.executemany("insert into gone values (?)", ours)
        for statement in filter(str.strip, _CLEAR.split(";")):
            database.execute(statement)
    except BaseException:
        database.execute("rollback")
        raise
    database.execute("commit")
    return len(ours)


def _is_ours(pipeline: Path, parameters: str, pull_steps: str | None) -> bool:
    """Whether a run in this machine's database goes; in doubt it does, as all are this user's."""
    named = json.loads(parameters).get("pipeline")
    folder = folder_of(json.loads(pull_steps or "null"))
    return is_of(pipeline, named, folder) or (folder is None and may_be_of(pipeline, named))


def _compact(database: sqlite3.Connection) -> Iterator[str]:
    """Rewrite the database without its free pages; what could not be."""
    try:
        database.execute("vacuum")
    except sqlite3.Error as error:
        yield f"free pages ({error})"
    if database.execute("pragma wal_checkpoint(truncate)").fetchone()[0]:
        yield "the log that is written ahead (in use)"


def _empty_logs() -> None:
    """Empty what workers of `fusemine ui` have printed; those that run go on writing."""
    for log in (get_current_settings().home / "fusemine-ui").glob("*.log"):
        with suppress(OSError):
            os.truncate(log, 0)


def _remove_there(pipeline: Path, url: str) -> tuple[int, list[str]]:
    """Remove the runs through the API of the server in use, which others may use too."""
    import httpx
    from prefect.client.orchestration import get_client

    present_credential()
    try:
        httpx.get(f"{url}/health", timeout=ANSWERS_WITHIN)
        with get_client(sync_client=True) as client:
            return _removed(client, pipeline, url)
    except Exception as error:
        if is_unreachable(error):
            why, fix = "which does not answer", "start it"
        elif isinstance(error, httpx.HTTPStatusError):
            why, fix = f"which answers {error.response.status_code}", f"see {CLIENT}"
        else:
            raise
        return 0, [f"what the server at {url} holds, {why}; {fix}, and forget the row again"]


def _removed(client: SyncPrefectClient, pipeline: Path, url: str) -> tuple[int, list[str]]:
    removed, left = 0, Counter[str]()
    folders: dict[UUID, str | None] = {}
    for run in _ended(client):
        named = run.parameters.get("pipeline")
        deployment = run.deployment_id
        if deployment is not None and deployment not in folders:
            folders[deployment] = _works_in(client, deployment)
        folder = folders[deployment] if deployment else None
        if is_of(pipeline, named, folder):
            _remove(client, run.id)
            removed += 1
        elif folder is None and may_be_of(pipeline, named):
            left[str(named)] += 1
    lines = [f"events of these runs at {url}: they stay for as long as it keeps events"]
    unsure = [
        f"{number} run(s) at {url} of a pipeline {named!r}, which may be another one: remove them "
        "in the UI if they are of this one"
        for named, number in left.items()
    ]
    return removed, [*(lines if removed else []), *unsure]


def _works_in(client: SyncPrefectClient, deployment: UUID) -> str | None:
    from prefect.exceptions import ObjectNotFound

    try:
        return folder_of(client.read_deployment(deployment).pull_steps)
    except ObjectNotFound:
        return None


def _ended(client: SyncPrefectClient) -> list[FlowRun]:
    from prefect.client.schemas import filters

    flows = filters.FlowFilter(name=filters.FlowFilterName(any_=list(FLOWS)))
    kinds = filters.FlowRunFilterStateType(any_=list(ENDED))
    ended = filters.FlowRunFilter(state=filters.FlowRunFilterState(type=kinds))
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            flow_filter=flows, flow_run_filter=ended, limit=PAGE, offset=len(found)
        )
        found += page
        if len(page) < PAGE:
            return found


def _remove(client: SyncPrefectClient, run: UUID) -> None:
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
    from prefect.exceptions import ObjectNotFound

    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    while artifacts := client.read_artifacts(artifact_filter=of_run):
        for artifact in artifacts:
            with suppress(ObjectNotFound):
                client.delete_artifact(artifact.id)
    with suppress(ObjectNotFound):
        client.delete_flow_run(run)
