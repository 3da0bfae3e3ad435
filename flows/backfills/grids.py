"""Grids of partitions for people at a terminal and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusemine.flows.backfills.state import RowState
from fusemine.flows.coverage.coverage import STAGES, State
from fusemine.tasks.table.escaping import escape_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from fusemine.flows.backfills.state import Backfill
    from fusemine.flows.coverage.coverage import Covered

_COLOURS = {
    State.COMPLETE: "green",
    State.STALE: "yellow",
    State.FAILED: "bold red",
    State.MISSING: "cyan",
    State.GAP: "dim",
    State.GONE: "magenta",
    RowState.RUNNING: "blue",
    RowState.BEFORE: "green",
    RowState.WAITING: "cyan",
    RowState.OTHER: "dim",
    RowState.GAP: "dim",
}


def coverage_rows(covered: Sequence[Covered]) -> list[dict[str, Any]]:
    """A row for each partition, JSON-ready: its states, its rows, and why it failed."""
    return [
        {
            "partition": c.partition,
            "state": str(c.state),
            **{stage: str(c.stages[stage]) for stage in STAGES},
            "rows": c.rows,
            "error": c.failure.error.split("\n")[0] if c.failure else None,
        }
        for c in covered
    ]


def coverage_json(name: str, covered: Sequence[Covered]) -> dict[str, Any]:
    """The coverage, JSON-ready."""
    return {"pipeline": name, "counts": _counts(covered), "partitions": coverage_rows(covered)}


def coverage_table(covered: Sequence[Covered]) -> Table:
    """The coverage for a terminal."""
    return _table(coverage_rows(covered), ["state", *STAGES])


def coverage_summary(covered: Sequence[Covered]) -> str:
    """How many partitions are in each state, and what to do about them."""
    counts = (f"{n} {state}" for state, n in _counts(covered).items() if n)
    return ", ".join(counts) or "no partitions"


def _counts(covered: Sequence[Covered]) -> dict[str, int]:
    """How many partitions are in each state."""
    return {str(state): sum(c.state is state for c in covered) for state in State}


def backfill_table(backfill: Backfill) -> Table:
    """The grid of a backfill for a terminal."""
    return _table(backfill.shown(), ["state"])


def backfill_cells(backfill: Backfill) -> list[dict[str, Any]]:
    """The grid of a backfill for the UI: no text is markup, a run is a short link."""
    cells = escape_rows(backfill.shown())
    for row, cell in zip(backfill.shown(), cells, strict=True):
        if str(row["link"]).startswith("http"):
            cell["link"] = f"[run]({row['link']})"
        cell["error"] = cell.pop("error")  # the only long one
    return cells


def backfill_json(backfill: Backfill) -> dict[str, Any]:
    """A backfill, JSON-ready, with the command that goes on with it."""
    return backfill.model_dump(mode="json") | {"resume": backfill.resume_command()}


def _table(rows: Sequence[dict[str, Any]], coloured: Sequence[str]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    # A column that says nothing takes no room.
    shown = [name for name in rows[0] if any(row[name] is not None for row in rows)] if rows else []
    table = Table(*shown, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        cells = {name: escape(_cell(row[name])) for name in shown}
        for name in coloured:
            cells[name] = f"[{_COLOURS[row[name]]}]{cells[name]}[/]"
        table.add_row(*cells.values())
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
