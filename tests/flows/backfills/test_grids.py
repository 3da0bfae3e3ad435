"""Grids of partitions, as the Prefect UI shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from fusemine.flows.backfills.grids import backfill_cells
from fusemine.flows.backfills.state import Backfill, Row, RowState

RUN = "http://127.0.0.1:4200/runs/flow-run/069251cb-b6e1-7c52-8000-2be2f4c5de36"


def backfill(row: Row) -> Backfill:
    return Backfill(
        id="abc",
        pipeline=Path("pipeline.yaml"),
        only="missing",
        order="oldest",
        max_parallel=1,
        max_failures=1,
        pool="cpu",
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
        rows=[row],
    )


def test_a_text_of_the_data_is_not_markup_in_the_ui() -> None:
    hostile = "[click](http://evil.example) <img src=x> **now**"
    (cell,) = backfill_cells(backfill(Row(partition="1", state=RowState.FAILED, error=hostile)))
    assert cell["error"] == (r"\[click\](http\://evil.example) \<img src=x\> \*\*now\*\*")


def test_a_run_is_a_short_link_before_what_may_be_long() -> None:
    (cell,) = backfill_cells(backfill(Row(partition="1", state=RowState.COMPLETE, link=RUN)))
    assert list(cell)[-2:] == ["link", "error"]
    assert cell["link"] == f"[run]({RUN})"


def test_a_report_beside_us_is_its_path() -> None:
    row = Row(partition="1", state=RowState.COMPLETE, link="/data/r 1/report.html", rows=3)
    (cell,) = backfill_cells(backfill(row))
    assert (cell["link"], cell["rows"]) == ("/data/r 1/report.html", 3)
