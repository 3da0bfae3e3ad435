"""Backfills in one process, and the coverage that they fill, on a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tickets import Table, tickets, write_csv

from fusemine.flows.backfills.state import RowState, load_backfill
from fusemine.flows.config.pipeline import load_pipeline
from fusemine.flows.coverage.coverage import STAGES, Covered, State, coverage_of
from fusemine.flows.engine.failures import read_failures
from fusemine.tasks.core.errors import RunError, SettingsError

Flow = Callable[..., Any]


@pytest.fixture
def year(tmp_path: Path) -> Table:
    """Tickets of five months, mined two months at a time."""
    made = Table(tmp_path)
    write_csv(tmp_path / "tickets.csv", tickets(150, months=5))
    made.set(window=2)
    return made


@pytest.fixture(scope="session")
def backfill(server: str) -> Flow:
    from fusemine.flows.backfill import backfill

    return backfill


def covered(table: Table) -> dict[str, Covered]:
    coverage = coverage_of(load_pipeline(table.pipeline))
    return {key: coverage.of(key) for key in coverage.partitions()}


def states(table: Table) -> dict[str, str]:
    return {key: str(found.state) for key, found in covered(table).items()}


def record(table: Table) -> Any:
    """The record of the newest backfill."""
    newest = max(table.root.glob("backfills/*.json"), key=lambda path: path.stat().st_mtime)
    return load_backfill(table.store, newest.stem)


def seen(plan: Any) -> dict[str, str]:
    return {row.partition: str(row.state) for row in plan.rows}


def test_a_range_is_mined_and_nothing_outside_it(year: Table, backfill: Flow) -> None:
    plan = backfill(year.pipeline, start="2024-02-01", end="2024-03-31")
    assert seen(plan) == {"2024-02": "complete", "2024-03": "complete"}
    assert states(year) == {
        "2024-01": "missing",
        "2024-02": "complete",
        "2024-03": "complete",
        "2024-04": "missing",
        "2024-05": "missing",
    }
    assert all(Path(row.link).is_file() and row.rows == 30 for row in plan.rows)
    # January is in a window and so is prepared, but it is not mined.
    january = covered(year)["2024-01"].stages
    assert {stage: str(january[stage]) for stage in ("embed", "report")} == {
        "embed": "complete",
        "report": "missing",
    }


def test_what_is_complete_is_left_alone(year: Table, backfill: Flow) -> None:
    backfill(year.pipeline, end="2024-02-10")
    before = (year.root / "latest" / "2024-02.json").stat().st_mtime_ns
    plan = backfill(year.pipeline, end="2024-03-10")
    assert seen(plan) == {
        "2024-01": "complete before",
        "2024-02": "complete before",
        "2024-03": "complete",
    }
    assert (year.root / "latest" / "2024-02.json").stat().st_mtime_ns == before


def test_a_changed_setting_makes_its_miner_and_the_report_stale_and_no_more(
    year: Table, backfill: Flow
) -> None:
    backfill(year.pipeline, start="2024-02-01", end="2024-02-29")
    year.set(window=2, topics={"topics": 2})
    found = covered(year)["2024-02"]
    assert found.state is State.STALE
    stale = {stage for stage in STAGES if found.stages[stage] is State.STALE}
    assert stale == {"topic_chain", "topics", "report"}
    classified = sorted(year.root.glob("classify/*/*"))
    backfill(year.pipeline, start="2024-02-01", end="2024-02-29")
    assert states(year)["2024-02"] == "complete"
    assert sorted(year.root.glob("classify/*/*")) == classified


def test_late_rows_make_their_partition_and_the_later_ones_stale_and_no_earlier(
    year: Table, backfill: Flow
) -> None:
    """The window of the last one no longer holds them, but its topics go back to all rows."""
    backfill(year.pipeline)
    late = {**tickets(1)[0], "ticket": "T9999", "opened": "2024-03-02"}
    write_csv(year.folder / "tickets.csv", [*tickets(150, months=5), late])
    assert states(year) == {
        "2024-01": "complete",
        "2024-02": "complete",
        "2024-03": "stale",
        "2024-04": "stale",
        "2024-05": "stale",
    }
    fifth = covered(year)["2024-05"].stages
    assert fifth["classify"] is State.COMPLETE
    assert fifth["topics"] is not State.COMPLETE


def test_a_partition_that_fails_stops_no_other_and_can_be_resumed(
    year: Table, backfill: Flow
) -> None:
    rows = [row for row in tickets(150, months=5) if row["opened"] < "2024-03-05" or
            row["opened"] >= "2024-04"]  # fmt: skip
    write_csv(year.folder / "tickets.csv", rows)
    year.set(window=2, quality={"min_rows": 10})
    with pytest.raises(RunError, match="1 of 5 partitions failed: 2024-03") as raised:
        backfill(year.pipeline)
    plan = record(year)
    assert seen(plan) == {
        "2024-01": "complete",
        "2024-02": "complete",
        "2024-03": "failed",
        "2024-04": "complete",
        "2024-05": "complete",
    }
    assert plan.resume_command() in raised.value.fix
    found = covered(year)["2024-03"]
    assert found.state is State.FAILED
    assert "min_rows" in read_failures(year.store)["2024-03"].error
    assert not (year.root / "latest" / "2024-03.json").exists()
    assert list(year.root.glob("report/2024-03/*/report.*.html"))  # kept for inspection

    year.set(window=2, quality={"min_rows": 2})
    resumed = backfill(year.pipeline, resume=plan.id)
    assert set(seen(resumed).values()) == {"complete"}
    assert [row.attempt for row in resumed.rows] == [1, 1, 2, 1, 1]
    assert states(year)["2024-03"] == "complete"
    assert read_failures(year.store) == {}


def test_no_partition_is_begun_after_the_last_failure_that_is_allowed(
    year: Table, backfill: Flow
) -> None:
    year.set(window=2, quality={"min_rows": 1000})
    with pytest.raises(RunError, match="2 of 5 partitions failed, and 3 were not begun"):
        backfill(year.pipeline, max_failures=2, order="newest")
    assert seen(record(year)) == {
        "2024-01": "waiting",
        "2024-02": "waiting",
        "2024-03": "waiting",
        "2024-04": "failed",
        "2024-05": "failed",
    }


def test_only_failed_leaves_missing_ones_out(year: Table, backfill: Flow) -> None:
    year.set(window=2, quality={"min_rows": 1000})
    with pytest.raises(RunError):
        backfill(year.pipeline, start="2024-02-01", end="2024-02-20")
    year.set(window=2)
    plan = backfill(year.pipeline, only="failed")
    assert seen(plan)["2024-02"] == "complete"
    assert {state for key, state in seen(plan).items() if key != "2024-02"} == {"not chosen"}


def test_all_includes_complete_ones_which_are_reused(year: Table, backfill: Flow) -> None:
    backfill(year.pipeline, end="2024-01-20")
    made = {str(path): path.stat().st_mtime_ns for path in year.root.rglob("manifest.json")}
    plan = backfill(year.pipeline, end="2024-01-20", only="all")
    assert seen(plan) == {"2024-01": "complete"}
    again = {str(path): path.stat().st_mtime_ns for path in year.root.rglob("manifest.json")}
    assert again == made


def test_a_dry_run_changes_nothing(year: Table, backfill: Flow) -> None:
    plan = backfill(year.pipeline, dry_run=True)
    assert set(seen(plan).values()) == {"waiting"}
    assert not year.root.exists()


@pytest.mark.slow
def test_a_backfill_writes_the_bytes_that_single_runs_write(
    year: Table, backfill: Flow, mine: Flow, tmp_path: Path
) -> None:
    backfill(year.pipeline, start="2024-02-01", end="2024-03-01")
    whole = year.root.rename(tmp_path / "first")
    for month in ("2024-02", "2024-03"):
        mine(year.pipeline, month)
    for path in (p for p in whole.rglob("*") if p.suffix in {".parquet", ".html"}):
        other = year.root / path.relative_to(whole)
        if "store" not in path.parts:  # its parts are cut by time
            assert other.read_bytes() == path.read_bytes(), path


def test_the_live_table_and_the_grid_say_the_same(year: Table, backfill: Flow) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    plan = backfill(year.pipeline, end="2024-02-10")
    ours = ArtifactFilter(key=ArtifactFilterKey(any_=[f"backfill-{plan.id}"]))
    with get_client(sync_client=True) as client:
        (found,) = client.read_artifacts(artifact_filter=ours)
    table = json.loads(str(found.data))
    assert [(row["partition"], row["state"], row["rows"]) for row in table] == [
        ("2024-01", "complete", 30),
        ("2024-02", "complete", 30),
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"start": "2024-03-01", "end": "2024-02-01"}, "ends before it starts"),
        ({"end": "2999-01-01"}, "in the future"),
        ({"start": "2019-01-01", "end": "2019-06-01"}, "no partition with rows"),
        ({"resume": "20240101-000000-abcd"}, "no backfill '20240101-000000-abcd'"),
    ],
)
def test_a_wrong_range_or_id_is_refused(
    year: Table, backfill: Flow, wrong: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        backfill(year.pipeline, **wrong)
    assert not year.root.exists()


def test_a_run_that_was_cut_off_is_taken_up_again(year: Table, backfill: Flow) -> None:
    plan = backfill(year.pipeline, end="2024-03-10")
    # As a kill in the middle leaves it: one partition running, one not begun.
    plan.rows[1].state, plan.rows[2].state = RowState.RUNNING, RowState.WAITING
    plan.save(year.store)
    resumed = backfill(year.pipeline, resume=plan.id)
    assert set(seen(resumed).values()) == {"complete"}
    assert [row.attempt for row in resumed.rows] == [1, 2, 2]


def test_gaps_are_partitions_without_rows(year: Table, backfill: Flow) -> None:
    rows = [row for row in tickets(150, months=5) if not row["opened"].startswith("2024-03")]
    write_csv(year.folder / "tickets.csv", rows)
    assert states(year)["2024-03"] == "gap"
    assert seen(backfill(year.pipeline, dry_run=True))["2024-03"] == "no rows"


def test_a_pipeline_may_leave_out_what_is_not_prepared(
    year: Table, backfill: Flow, mine: Flow
) -> None:
    year.set(window=3, gaps="report")
    outcome = mine(year.pipeline, "2024-03")
    assert outcome.stages["clean"].rows_in == 30
    html = outcome.report.read_text(encoding="utf-8")
    assert "not prepared: 2024-01 and 2024-02" in html
    assert states(year)["2024-03"] == "complete"
    mine(year.pipeline, "2024-02")  # a later window then holds one more
    assert states(year)["2024-03"] == "stale"
    assert mine(year.pipeline, "2024-03").stages["clean"].rows_in == 60
