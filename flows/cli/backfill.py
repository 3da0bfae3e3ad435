"""The backfill as a command: planned before Prefect starts, shown as a grid when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fusemine.flows.api import load, run_backfill
from fusemine.flows.cli.terminal import FILE, STALL, echo, print_view, set_stall, shown_on_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.flows.backfills.state import Backfill


@click.command()
@click.argument("pipeline", type=FILE)
@click.option("--from", "first", help="The first partition; default: the first with rows.")
@click.option("--to", "last", help="The last partition; default: the newest with rows.")
@click.option(
    "--only",
    type=click.Choice(["missing", "failed", "all"]),
    default="missing",
    show_default=True,
    help="missing includes what is stale or failed; all includes what is complete.",
)
@click.option(
    "--order", type=click.Choice(["oldest", "newest"]), default="oldest", show_default=True
)
@click.option(
    "--max-parallel",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Partitions at a time, where the workers of a pool do the work.",
)
@click.option(
    "--max-failures",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Begin no further partition after so many have failed.",
)
@click.option(
    "--pool",
    type=click.Choice(["auto", "here", "cpu", "gpu"]),
    default="auto",
    show_default=True,
    help="Who does the work; auto: the cpu workers if a server is set, else this process.",
)
@STALL
@click.option("--resume", metavar="ID", help="Go on with an earlier backfill.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def backfill(
    pipeline: Path,
    first: str | None,
    last: str | None,
    stall: float | None,
    resume: str | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Mine a range of partitions of PIPELINE, or what is missing in it."""
    from fusemine.flows.backfills.selection import Options, planned
    from fusemine.flows.backfills.state import RowState, load_backfill

    if resume and (first or last):
        raise click.UsageError("--resume goes on with the range of the old backfill")
    set_stall(stall)
    loaded = load(pipeline).loaded
    plan = planned(loaded, first, last, Options(**options), resume)
    waiting = plan.count(RowState.WAITING)
    if dry_run or not waiting:
        _print(plan, as_json)
        _print_line(f"{waiting} partition(s) to mine", as_json, err=False)
        return
    _print_line(f"backfill {plan.id}: {waiting} partition(s)", as_json)
    _print_line(f"to go on after a stop: {plan.resume_command()}", as_json)
    from fusemine.flows.backfills.live_table import listening_to_backfill

    try:
        with shown_on_terminal(), listening_to_backfill(lambda line: _print_line(line, as_json)):
            run_backfill(loaded, plan)
    finally:
        _print(load_backfill(loaded.store, plan.id), as_json)


def _print_line(line: str, as_json: bool, err: bool = True) -> None:
    if not as_json:
        echo(line, err=err)


def _print(plan: Backfill, as_json: bool) -> None:
    from fusemine.flows.backfills.grids import backfill_json, backfill_table

    print_view((backfill_table(plan), [], backfill_json(plan)), as_json)
