"""What commands print: lines, JSON and tables, and how far a run is while it goes on."""

from __future__ import annotations

import json
import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from fusemine.tasks.core import progress
from fusemine.tasks.table.escaping import escape_json, escape_line, escape_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.table import Table
    from rich.text import Text

FILE = click.Path(path_type=Path)
"""The type of arguments and options that name a file."""


STALL = click.option(
    "--stall",
    type=click.FloatRange(0, 1e9, min_open=True),
    metavar="SECONDS",
    help="End a stage that reports no progress for so long; by default none is ended.",
)
"""The option of commands that compute stages."""


def set_stall(seconds: float | None) -> None:
    """Have stages ended that report no progress for so long; None leaves it as it is set."""
    from fusemine.flows.engine.child import STALL as VARIABLE

    if seconds is not None:
        os.environ[VARIABLE] = str(seconds)


View: TypeAlias = "tuple[Table | None, list[str], Any]"
"""A table for people, what else they read, and the same for programs."""


def echo(text: str, err: bool = False) -> None:
    """Print lines in which nothing is an order to the terminal."""
    click.echo(escape_terminal(text), err=err)


def cell(text: object, style: str = "") -> Text:
    """A cell of a table, in which nothing is markup or an order to the terminal."""
    from rich.text import Text

    return Text(escape_line(text), style)


def print_view(view: View, as_json: bool) -> None:
    """Print a table and lines for people, or the same as one JSON object.

    A table is as wide as the terminal; without one as wide as it needs to be.
    """
    table, lines, value = view
    if as_json:
        click.echo(escape_json(json.dumps(value, indent=1, ensure_ascii=False)))
        return
    if table is not None:
        from rich.console import Console

        console = Console(highlight=False)
        Console(highlight=False, width=None if console.is_terminal else 240).print(table)
    for line in lines:
        echo(line)


class _Lines:
    """A line for each kind of work, on a terminal as a bar, elsewhere when it is done."""

    def __init__(self, bars: Progress, console: Console) -> None:
        self._bars, self._console = bars, console
        self._lines: dict[str, TaskID] = {}

    def show(self, what: str, done: int, total: int, note: str) -> None:
        from fusemine.tasks.graph import GRAPH

        name = f"{what}: {GRAPH[what].unit}" if what in GRAPH else escape_line(what)
        note = escape_line(note)
        if not self._console.is_terminal:
            if done >= total:
                line = f"{name} {done:,}" + (f" ({note})" if note else "")
                self._console.print(line, highlight=False, markup=False)
            return
        if what not in self._lines:
            self._lines[what] = self._bars.add_task(name, total=total, note=note)
        self._bars.update(self._lines[what], completed=done, total=total, note=note)


@contextmanager
def shown_on_terminal() -> Iterator[None]:
    """Show on standard error what is reported within the block."""
    from rich import progress as bar
    from rich.console import Console

    console = Console(stderr=True)
    columns = (
        bar.TextColumn("{task.description:<24}", markup=False),
        bar.BarColumn(),
        bar.MofNCompleteColumn(),
        bar.TimeElapsedColumn(),
        bar.TimeRemainingColumn(),
        bar.TextColumn("{task.fields[note]}", markup=False),
    )
    with (
        bar.Progress(*columns, console=console, disable=not console.is_terminal) as bars,
        progress.listening(_Lines(bars, console).show),
    ):
        yield


class _OnTerminal(logging.Handler):
    """Prints what is logged on standard error, above a bar that may be there."""

    def emit(self, record: logging.LogRecord) -> None:
        echo(record.getMessage(), err=True)


def show_warnings() -> None:
    """Print from now on what is waited for, and what else is logged as a warning."""
    logger = logging.getLogger("fusemine")
    if not any(isinstance(handler, _OnTerminal) for handler in logger.handlers):
        logger.addHandler(_OnTerminal(logging.WARNING))
