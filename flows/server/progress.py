"""Progress of long work on the flow run's page."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from fusemine.flows.server.errors import shown
from fusemine.tasks.core import progress
from fusemine.tasks.table.escaping import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each update is a request to the server.
SECONDS_BETWEEN_UPDATES = 2.0


class _Bars:
    """One progress artifact for each kind of work, updated no more often than need be."""

    def __init__(self) -> None:
        self._ids: dict[str, UUID] = {}
        self._due: dict[str, float] = {}
        self._begun: dict[str, tuple[float, int]] = {}

    def report(self, what: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        if done < total and now < self._due.get(what, 0.0):
            return
        begun, before = self._begun.setdefault(what, (now, done))
        words = [f"{what}: {total:,}", note, _left(now - begun, done - before, total - done)]
        described = escape_markdown(", ".join(word for word in words if word))
        shown(lambda: self._show(what, 100.0 * done / max(1, total), described))
        self._due[what] = now + SECONDS_BETWEEN_UPDATES

    def _show(self, what: str, percent: float, described: str) -> None:
        if what in self._ids:
            update_progress_artifact(self._ids[what], percent, described)
        else:
            key = what.replace("_", "-")  # Prefect's keys have no underscores
            made = create_progress_artifact(percent, key=key, description=described)
            self._ids[what] = UUID(str(made))


def _left(seconds: float, done: int, left: int) -> str:
    """How long the rest takes if it goes on as it went since the first report."""
    if done <= 0 or left <= 0:
        return ""
    return f"{timedelta(seconds=round(seconds * left / done))} left"


@contextmanager
def shown_in_ui() -> Iterator[None]:
    """Show what is reported within the block as progress artifacts of the flow run."""
    with progress.listening(_Bars().report):
        yield
