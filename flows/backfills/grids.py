"""Grids of partitions for people at a terminal and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusemine.flows.backfills.state import RowState
from fusemine.flows.coverage.coverage import STAGES, State
from fusemine.tasks.table.escaping import escape_line, escape_rows

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


def coverage_rows(covered: Sequence[Covered], public: bool = False) -> list[dict[str, Any]]:
    """A row for each partition, JSON-ready: its states, its rows, and why it failed.

    Args:
        covered: The partitions.
        public: Of an error, show what a server may be sent.
    """
    return [
        {
            "partition": c.partition,
            "state": str(c.state),
            **{stage: str(c.stages[stage]) for stage in STAGES},
            "rows": c.rows,
            "error": c.failure.why(public) if c.failure else None,
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


def backfill_cells(backfill: Backfill, public: bool = True) -> list[dict[str, Any]]:
    """The grid of a backfill for the UI: no text is markup, a run is a short link.

    Args:
        backfill: The backfill.
        public: Of an error, show what a server may be sent.
    """
    cells = escape_rows(backfill.shown(public))
    for row, cell in zip(backfill.shown(), cells, strict=True):
        if str(row["link"]).startswith("http"):
            cell["link"] = f"[run]({row['link']})"
        cell["error"] = cell.pop("error")  # the only long one
    return cells


def backfill_json(backfill: Backfill) -> dict[str, Any]:
    """A backfill, JSON-ready, with the command that goes on with it."""
    return backfill.model_dump(mode="json") | {"resume": backfill.resume_command()}


def _table(rows: Sequence[dict[str, Any]], coloured: Sequence[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    # A column that says nothing takes no room.
    shown = [name for name in rows[0] if any(row[name] is not None for row in rows)] if rows else []
    table = Table(*shown, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        styles = {name: _COLOURS[row[name]] for name in coloured}
        cells = {name: escape_line(_cell(row[name])) for name in shown}
        table.add_row(*(Text(cell, styles.get(name, "")) for name, cell in cells.items()))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
