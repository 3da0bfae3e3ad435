"""The backfill as a command: planned before Prefect starts, shown as a grid when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console

from fusemine.flows.backfills.grids import backfill_json, backfill_table
from fusemine.flows.backfills.selection import check_range, plan_backfill
from fusemine.flows.backfills.state import Standing, load_backfill
from fusemine.flows.engine.config import load_pipeline
from fusemine.flows.engine.coverage import coverage_of

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.flows.backfills.selection import Options
    from fusemine.flows.backfills.state import Backfill
    from fusemine.flows.engine.config import Loaded


def run_backfill(
    pipeline: Path,
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
    loaded = load_pipeline(pipeline)
    plan = _planned(loaded, first, last, options, resume)
    if dry_run or not plan.count(Standing.WAITING):
        _print(plan, as_json)
        if not as_json:
            click.echo(f"{plan.count(Standing.WAITING)} partition(s) to mine")
        return
    plan.save(loaded.store)
    if not as_json:
        click.echo(f"backfill {plan.id}: {plan.count(Standing.WAITING)} partition(s)", err=True)
        click.echo(f"to go on after a stop: {plan.resume_command()}", err=True)
    try:
        _carry_out(loaded, plan, as_json)
    finally:
        _print(load_backfill(loaded.store, plan.id), as_json)


def _planned(
    loaded: Loaded, first: str | None, last: str | None, options: Options, resume: str | None
) -> Backfill:
    if resume is not None:
        plan = load_backfill(loaded.store, resume)
        plan.start_again()
        return plan
    if loaded.pipeline.columns.time is not None:
        check_range(first, last, loaded.pipeline.partition)
    return plan_backfill(coverage_of(loaded), first, last, options)


def _carry_out(loaded: Loaded, plan: Backfill, as_json: bool) -> None:
    from fusemine.flows.cli.terminal import shown_on_terminal
    from fusemine.flows.server.errors import server_errors
    from fusemine.flows.server.temporary import ensure_server

    with server_errors(f"go on with: {plan.resume_command()}"):
        ensure_server()
        from fusemine.flows.backfill import backfill
        from fusemine.flows.backfills.live_table import heard_by

        with shown_on_terminal(), heard_by(lambda line: _tell(line, as_json)):
            backfill(loaded.path, resume=plan.id)


def _tell(line: str, as_json: bool) -> None:
    if not as_json:
        click.echo(line, err=True)


def _print(plan: Backfill, as_json: bool) -> None:
    if as_json:
        click.echo(backfill_json(plan))
        return
    console = Console(highlight=False)
    Console(highlight=False, width=None if console.is_terminal else 240).print(backfill_table(plan))
