"""The backfill as a command: planned before Prefect starts, shown as a grid when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusemine.flows.api import load
from fusemine.flows.backfills.begin import carry_out, planned
from fusemine.flows.backfills.grids import backfill_json, backfill_table
from fusemine.flows.backfills.state import Standing, load_backfill
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
    waiting = plan.count(Standing.WAITING)
    if dry_run or not waiting:
        _print(plan, as_json)
        _tell(f"{waiting} partition(s) to mine", as_json, err=False)
        return
    _tell(f"backfill {plan.id}: {waiting} partition(s)", as_json)
    _tell(f"to go on after a stop: {plan.resume_command()}", as_json)
    from fusemine.flows.backfills.live_table import heard_by
    from fusemine.flows.cli.terminal import shown_on_terminal

    try:
        with shown_on_terminal(), heard_by(lambda line: _tell(line, as_json)):
            carry_out(loaded, plan)
    finally:
        _print(load_backfill(loaded.store, plan.id), as_json)


def _tell(line: str, as_json: bool, err: bool = True) -> None:
    if not as_json:
        click.echo(line, err=err)


def _print(plan: Backfill, as_json: bool) -> None:
    if as_json:
        click.echo(backfill_json(plan))
    else:
        print_table(backfill_table(plan))
