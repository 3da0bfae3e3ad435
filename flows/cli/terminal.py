"""What a person at a terminal sees while a run goes on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fusemine.tasks.core import progress
from fusemine.tasks.graph import GRAPH

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Lines:
    """A line for each kind of work, on a terminal as a bar, elsewhere when it is done."""

    def __init__(self, bars: Progress, console: Console) -> None:
        self._bars, self._console = bars, console
        self._lines: dict[str, TaskID] = {}

    def show(self, what: str, done: int, total: int, note: str) -> None:
        name = f"{what}: {GRAPH[what].unit}" if what in GRAPH else what
        if not self._console.is_terminal:
            if done >= total:
                line = f"{name} {done:,}" + (f" ({note})" if note else "")
                self._console.print(line, highlight=False)
            return
        if what not in self._lines:
            self._lines[what] = self._bars.add_task(name, total=total, note=note)
        self._bars.update(self._lines[what], completed=done, total=total, note=note)


@contextmanager
def shown_on_terminal() -> Iterator[None]:
    """Show on standard error what is reported within the block."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as bars,
        progress.listening(_Lines(bars, console).show),
    ):
        yield
