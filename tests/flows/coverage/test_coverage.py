"""What is mined and what is not, as of what the source holds now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.small_root import SmallRoot, row

from fusemine.flows.backfills.grids import coverage_json, coverage_summary
from fusemine.flows.backfills.selection import Options, plan_backfill
from fusemine.flows.coverage.coverage import STAGES, Coverage, coverage_of

DAYS = ("2024-01-05", "2024-02-05", "2024-04-05")


@pytest.fixture(scope="module")
def coverage(tmp_path_factory: pytest.TempPathFactory) -> Coverage:
    """February and April were mined, and April's rows are gone."""
    small = SmallRoot(tmp_path_factory.mktemp("mined"))
    rows = [row(number, day) for number, day in enumerate(DAYS)]
    small.write(*rows)
    small.run("2024-02", "2024-04")
    small.write(*rows[:2])
    return coverage_of(small.loaded)


def rows_of(coverage: Coverage) -> dict[str, Any]:
    value = coverage_json("small", coverage.covered())
    return {row["partition"]: row for row in value["partitions"]} | {"counts": value["counts"]}


def test_a_partition_whose_rows_are_gone_is_still_shown(coverage: Coverage) -> None:
    shown = rows_of(coverage)
    states = {"2024-01": "missing", "2024-02": "complete", "2024-04": "gone"}
    assert {key: row["state"] for key, row in shown.items() if key != "counts"} == states
    assert shown["counts"]["gone"] == 1
    april = shown["2024-04"]
    assert (april["rows"], {april[stage] for stage in STAGES}) == (None, {"gone"})
    assert coverage_summary(coverage.covered()) == "1 complete, 1 missing, 1 gone"


def test_a_backfill_leaves_it_alone(coverage: Coverage) -> None:
    plan = plan_backfill(coverage, "2024-01", "2024-05", Options(only="all"))
    assert {row.partition: str(row.state) for row in plan.rows}["2024-04"] == "no rows"


def test_one_that_comes_back_is_as_complete_as_it_was(tmp_path: Path) -> None:
    small = SmallRoot(tmp_path)
    rows = [row(number, day) for number, day in enumerate(DAYS[:2])]
    small.write(*rows)
    small.run("2024-01", "2024-02")
    small.write(rows[0])
    assert rows_of(coverage_of(small.loaded))["2024-02"]["state"] == "gone"
    small.write(*rows)
    assert rows_of(coverage_of(small.loaded))["2024-02"]["state"] == "complete"
