"""The backfill as a command: planned before Prefect starts, shown as a grid when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console

from flows.config import load_pipeline
from flows.coverage import coverage_of
from flows.grids import backfill_json, backfill_table
from flows.range import check_range, plan_backfill
from flows.record import Standing, load_backfill

if TYPE_CHECKING:
    from pathlib import Path

    from flows.config import Loaded
    from flows.range import Options
    from flows.record import Backfill


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
    plan.save(loaded.root)
    if not as_json:
        click.echo(f"backfill {plan.id}: {plan.count(Standing.WAITING)} partition(s)", err=True)
        click.echo(f"to go on after a stop: {plan.resume_command()}", err=True)
    try:
        _carry_out(loaded, plan, as_json)
    finally:
        _print(load_backfill(loaded.root, plan.id), as_json)


def _planned(
    loaded: Loaded, first: str | None, last: str | None, options: Options, resume: str | None
) -> Backfill:
    if resume is not None:
        plan = load_backfill(loaded.root, resume)
        plan.start_again()
        return plan
    if loaded.pipeline.columns.time is not None:
        check_range(first, last, loaded.pipeline.partition)
    return plan_backfill(coverage_of(loaded), first, last, options)


def _carry_out(loaded: Loaded, plan: Backfill, as_json: bool) -> None:
    from flows.reach import server_errors
    from flows.server import ensure_server
    from flows.terminal import shown_on_terminal

    with server_errors(f"go on with: {plan.resume_command()}"):
        ensure_server()
        from flows.backfill import backfill
        from flows.board import heard_by

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
