"""The backfill as a command: planned before Prefect starts, shown as a grid when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusemine.flows.api import carry_out, load
from fusemine.flows.backfills.grids import backfill_json, backfill_table
from fusemine.flows.backfills.selection import planned
from fusemine.flows.backfills.state import RowState, load_backfill
from fusemine.flows.cli.printing import print_table

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.flows.backfills.selection import Options
    from fusemine.flows.backfills.state import Backfill


def run_backfill(
    path: Path,
    first: str | None,
    last: str | None,
    options: Options,
    resume: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Plan a backfill, or take up an old one, carry it out and print its grid.

    Raises:
        SettingsError: The pipeline, the range or the id.
        RunError: A partition failed; the grid is printed before.
    """
    loaded = load(path).loaded
    plan = planned(loaded, first, last, options, resume)
    waiting = plan.count(RowState.WAITING)
    if dry_run or not waiting:
        _print(plan, as_json)
        _print_line(f"{waiting} partition(s) to mine", as_json, err=False)
        return
    _print_line(f"backfill {plan.id}: {waiting} partition(s)", as_json)
    _print_line(f"to go on after a stop: {plan.resume_command()}", as_json)
    from fusemine.flows.backfills.live_table import listening_to_backfill
    from fusemine.flows.cli.terminal import shown_on_terminal

    try:
        with shown_on_terminal(), listening_to_backfill(lambda line: _print_line(line, as_json)):
            carry_out(loaded, plan)
    finally:
        _print(load_backfill(loaded.store, plan.id), as_json)


def _print_line(line: str, as_json: bool, err: bool = True) -> None:
    if not as_json:
        click.echo(line, err=err)


def _print(plan: Backfill, as_json: bool) -> None:
    if as_json:
        click.echo(backfill_json(plan))
    else:
        print_table(backfill_table(plan))
