"""Status, pruning, lineage and forgetting as a person or a schedule calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.tickets import Table, tickets, write_csv

from fusemine.flows.cli.main import main
from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.storage.locks import shared

Mine = Callable[..., Any]


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(part) for part in arguments])


def told(*arguments: str | Path) -> Any:
    """The JSON object that a command prints."""
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def grown(table: Table, mine: Mine) -> None:
    """Two runs, the second with fewer rows, so that what the first made is needed no more."""
    mine(table.pipeline)
    write_csv(table.folder / "tickets.csv", tickets(80))
    mine(table.pipeline)


def test_the_status_flow_keeps_a_table_of_all_partitions(table: Table, mine: Mine) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from fusemine.flows.status import status

    mine(table.pipeline)
    status(table.pipeline)
    ours = ArtifactFilter(key=ArtifactFilterKey(any_=["status-tickets"]))
    with get_client(sync_client=True) as client:
        (found,) = client.read_artifacts(artifact_filter=ours)
    rows = json.loads(str(found.data))
    assert {row["partition"]: row["state"] for row in rows} == {
        "2024-01": "missing",
        "2024-02": "missing",
        "2024-03": "complete",
    }
    assert rows == told("status", table.pipeline)["partitions"]


def test_status_is_a_grid_with_a_sum(table: Table, mine: Mine) -> None:
    mine(table.pipeline)
    shown = call("status", table.pipeline).stdout
    assert shown.splitlines()[0].split()[:3] == ["partition", "state", "collect"]
    assert "2024-03" in shown
    assert shown.splitlines()[-1] == "1 complete, 2 missing"


def test_lineage_leads_to_the_source(table: Table, mine: Mine) -> None:
    report = mine(table.pipeline).report
    lines = call("lineage", report).stdout.splitlines()
    assert lines[0].startswith("report: 2024-03, 90 rows, made ")
    assert lines[-1].strip().startswith("source: tickets.csv sha256 ")
    assert told("lineage", table.root / "report/latest.html")["sources"][0]["name"] == "tickets.csv"


def test_the_prune_flow_removes_nothing_by_default(table: Table, mine: Mine) -> None:
    from fusemine.flows.prune import prune

    table.set(retention="PT0S")
    grown(table, mine)
    before = sorted(table.root.glob("*/*/*/manifest.json"))
    prune(table.pipeline)
    assert sorted(table.root.glob("*/*/*/manifest.json")) == before
    prune(table.pipeline, dry_run=False)
    assert len(list(table.root.glob("*/*/*/manifest.json"))) < len(before)
    assert told("prune", table.pipeline)["goes"] == []


@pytest.mark.slow
def test_what_is_young_stays(table: Table, mine: Mine) -> None:
    grown(table, mine)
    assert told("prune", table.pipeline)["goes"] == []
    table.set(retention="PT0S")
    assert told("prune", table.pipeline, "--dry-run")["goes"] != []


def test_nothing_is_removed_while_a_run_goes_on(table: Table, mine: Mine) -> None:
    from fusemine.flows.prune import prune

    grown(table, mine)
    with shared(table.root):
        for command in (("prune", table.pipeline), ("forget", table.pipeline, "T0001")):
            refused = call(*command)
            assert refused.exit_code == 1
            assert "a run that is going on" in refused.stderr
        with pytest.raises(ArtifactError, match="a run that is going on"):
            prune(table.pipeline, dry_run=False)


def test_forgetting_lists_what_it_touched_and_how_to_compute_it_again(
    table: Table, mine: Mine
) -> None:
    mine(table.pipeline)
    lines = call("forget", table.pipeline, "T0040").stdout.splitlines()
    assert lines[0].startswith("rewritten: 1 of inventory, 1 of collect, 1 of clean, 1 of embed")
    assert "reports to make again: 2024-03" in lines
    assert lines[-1] == f"to make them: fusemine backfill {table.pipeline} --only missing"
    assert call("forget", table.pipeline, "T0040").stdout == "nothing of it was left\n"
    unknown = call("forget", table.pipeline, "T7777")
    assert unknown.exit_code == 2
    assert "no row with id 'T7777'" in unknown.stderr
