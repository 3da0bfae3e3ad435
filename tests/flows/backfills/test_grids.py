"""Grids of partitions, as the Prefect UI shows them."""

from __future__ import annotations

from typing import Any

from fusemine.flows.backfills.grids import backfill_cells
from fusemine.flows.backfills.state import Backfill, Row, RowState

RUN = "http://127.0.0.1:4200/runs/flow-run/069251cb-b6e1-7c52-8000-2be2f4c5de36"


def cell_of(**row: Any) -> dict[str, Any]:
    [cell] = backfill_cells(Backfill.model_construct(rows=[Row(partition="1", **row)]))
    return cell


def test_a_text_of_the_data_is_not_markup_in_the_ui() -> None:
    hostile = "[click](http://evil.example) <img src=x> **now**"
    cell = cell_of(state=RowState.FAILED, error=hostile, public=hostile)
    assert cell["error"] == (r"\[click\](http\://evil.example) \<img src=x\> \*\*now\*\*")


def test_a_run_is_a_short_link_before_what_may_be_long() -> None:
    cell = cell_of(state=RowState.COMPLETE, link=RUN)
    assert list(cell)[-2:] == ["link", "error"]
    assert cell["link"] == f"[run]({RUN})"


def test_a_report_beside_us_is_its_path() -> None:
    cell = cell_of(state=RowState.COMPLETE, link="/data/r 1/report.html", rows=3)
    assert (cell["link"], cell["rows"]) == ("/data/r 1/report.html", 3)
