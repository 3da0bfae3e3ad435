"""Lineage, pruning and forgetting on roots that the main flow made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.small_root import files_with, names
from support.stage_runs import computed
from support.tickets import Table, file_in, tickets, write_csv

from fusemine.tasks.core.storage.artifact import manifest_of, ref_of
from fusemine.tasks.core.storage.manifest import Manifest, StoredFile
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.upkeep.forget import Forgotten, forget
from fusemine.tasks.upkeep.lineage import lines, trace
from fusemine.tasks.upkeep.prune import plan_prune, prune

Mine = Callable[..., Any]
SECRET = "my very own words about a parrot"


def write(table: Table, rows: list[dict[str, str]]) -> None:
    write_csv(table.folder / "tickets.csv", rows)


def with_secret(number: int = 40, **cells: str) -> list[dict[str, str]]:
    rows = tickets(90)
    rows[number] |= {"ticket": "SECRET-1", "body": SECRET} | cells
    return rows


def manifest(root: Path, name: str) -> Manifest:
    found = manifest_of(root, name)
    assert found is not None
    return found


def files_of(artifact: Path) -> dict[str, StoredFile]:
    return manifest(artifact.parents[2], "/".join(artifact.parts[-3:])).files


def counts(root: Path) -> tuple[int, int, int, int]:
    """The row equation of the newest inventory, and how many of its rows were forgotten."""
    made = {name: manifest(root, name) for name in names(root, "inventory")}
    newest = max(made, key=lambda name: made[name].created_at)
    listing = pl.read_parquet(file_in(root / newest))
    forgotten = sum(
        (
            pl.read_parquet(file_in(root / f"collect/{p}/{k}", "rejected.parquet"))["rule"]
            == "forgotten"
        ).sum()
        for p, k in listing.select("partition", "key").rows()
    )
    rows = made[newest].rows
    assert rows.rows_in == rows.rows_kept + rows.rows_rejected
    return rows.rows_in, rows.rows_kept, rows.rows_rejected, forgotten


def test_a_report_leads_back_to_the_table(table: Table, mine: Mine) -> None:
    report = mine(table.pipeline).report
    found = trace(report, GRAPH, table.folder)
    shown = lines(found)
    assert trace(table.root / "report/latest.html", GRAPH, table.folder) == found
    assert [line.strip().split(":")[0] for line in shown] == [
        "report", "inventory", "classify", "topics", "anomalies", "topic_chain", "fuse", "embed",
        "clean", "collect", "source",
    ]  # fmt: skip
    assert "source: tickets.csv sha256" in shown[-1]
    assert {node.state for node in found.nodes.values()} == {"intact"}


def test_after_pruning_the_latest_run_is_reused_whole(table: Table, mine: Mine) -> None:
    mine(table.pipeline)
    write(table, tickets(80))
    first = mine(table.pipeline)
    told = plan_prune(table.store, GRAPH, timedelta(0), datetime.now(UTC) + timedelta(days=1))
    assert len(told.goes) > 5
    prune(told)
    assert all(ref_of(table.root, name) for name in names(table.root))
    assert computed(mine(table.pipeline)) == []
    assert first.report.is_file()


@pytest.mark.slow
def test_a_forgotten_row_is_nowhere_and_stays_out(table: Table, mine: Mine) -> None:
    write(table, with_secret())
    for partition in ("2024-01", "2024-02", "2024-03"):
        mine(table.pipeline, partition)
    early = (table.root / "latest/2024-01.json").read_bytes()
    assert len(files_with(table.root, "SECRET-1", SECRET)) > 10
    told = forget(table.store, "SECRET-1", GRAPH)
    assert files_with(table.root, "SECRET-1", SECRET) == []
    assert told.partitions == ("2024-02", "2024-03")
    assert told.purged["embed"] == 1
    assert (table.root / "latest/2024-01.json").read_bytes() == early
    outcome = mine(table.pipeline)
    assert (outcome.partition, outcome.stages["collect"].rows_rejected) == ("2024-03", 1)
    assert files_with(table.root, "SECRET-1", SECRET) == []
    assert counts(table.root) == (90, 89, 1, 1)
    assert forget(table.store, "SECRET-1", GRAPH) == Forgotten({}, {}, (), {}, 0)
    assert computed(mine(table.pipeline, "2024-01")) == []


def test_the_raw_rows_of_a_forgotten_row_are_those_that_a_run_makes(
    table: Table, mine: Mine
) -> None:
    write(table, with_secret())
    mine(table.pipeline)
    forget(table.store, "SECRET-1", GRAPH)
    [rewritten] = table.root.glob("collect/2024-02/*")
    mine(table.pipeline)
    [fresh] = set(table.root.glob("collect/2024-02/*")) - {rewritten}
    assert files_of(rewritten) == files_of(fresh)
    [old, new] = map(files_of, table.root.glob("clean/2024-02/*"))
    for name in ("part-00000.parquet", "rejected.parquet"):
        assert old[name] == new[name]


@pytest.mark.parametrize("window", [1, "all"])
def test_a_partition_whose_only_row_was_forgotten_does_not_stop_a_run(
    table: Table, mine: Mine, window: int | str
) -> None:
    table.set(window=window)
    write(table, [*tickets(90), *with_secret(0, opened="2024-04-02")[:1]])
    mine(table.pipeline)
    told = forget(table.store, "SECRET-1", GRAPH)
    assert told.partitions == ("2024-04",)
    outcome = mine(table.pipeline)
    assert (outcome.partition, outcome.report.is_file()) == ("2024-04", True)
    mine(table.pipeline, "2024-03")
    assert files_with(table.root, "SECRET-1", SECRET) == []
    assert counts(table.root) == (91, 90, 1, 1)


def test_a_forgotten_record_without_a_time_stays_out(table: Table, mine: Mine) -> None:
    write(table, with_secret(opened="some day"))
    mine(table.pipeline)
    assert len(files_with(table.root, "SECRET-1", SECRET)) >= 2
    told = forget(table.store, "SECRET-1", GRAPH)
    assert files_with(table.root, "SECRET-1", SECRET) == []
    assert told.partitions == ("2024-03",)
    mine(table.pipeline)
    assert files_with(table.root, "SECRET-1", SECRET) == []
