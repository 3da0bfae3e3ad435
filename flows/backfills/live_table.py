"""What people see of a running backfill: its record, a live table in the UI, log lines."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from fusemine.flows.backfills.grids import backfill_cells
from fusemine.flows.server.errors import shown
from fusemine.flows.server.publishing import log_line, withholds
from fusemine.tasks.table.escaping import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusemine.flows.backfills.state import Backfill, Row
    from fusemine.tasks.core.storage.store import Store

# Each update is a request to the server.
SECONDS_BETWEEN_UPDATES = 1.0

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


@contextmanager
def listening_to_backfill(listener: Callable[[str], None]) -> Iterator[None]:
    """Send the lines of a backfill within the block to a listener."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


class LiveTable:
    """Keeps the record of a backfill and shows it.

    Args:
        backfill: The record, whose rows the code that mines them changes.
        store: Where the pipeline keeps its artifacts.
    """

    def __init__(self, backfill: Backfill, store: Store) -> None:
        self.backfill = backfill
        self._store = store
        self._artifact: UUID | None = None
        self._shown = 0.0

    def changed(self, row: Row) -> None:
        """Save and log the new state of a row."""
        self.backfill.save(self._store)
        self.log(_line(row), public=_line(row, public=True))
        if time.monotonic() - self._shown > SECONDS_BETWEEN_UPDATES:
            self.show()

    def log(self, line: str, public: str = "") -> None:
        """Write a line to the run's log and to the listener.

        Args:
            line: The line.
            public: What the log has in its place, where the line may quote a row.
        """
        log_line(public if public and withholds() else line)
        listener = _LISTENER.get()
        if listener is not None:
            listener(line)

    def show(self) -> None:
        """Update the table on the run's page."""
        self._shown = time.monotonic()
        shown(lambda: self._show(backfill_cells(self.backfill, withholds())))

    def _show(self, table: list[dict[str, Any]]) -> None:
        if self._artifact is None:
            key = f"backfill-{self.backfill.id}"
            command = escape_markdown(self.backfill.resume_command())
            words = f"Backfill {self.backfill.id}: resume with {command}"
            self._artifact = UUID(str(create_table_artifact(table, key=key, description=words)))
            return
        with get_client(sync_client=True) as client:
            client.update_artifact(self._artifact, ArtifactUpdate(data=json.dumps(table)))


def _line(row: Row, public: bool = False) -> str:
    parts = [f"{row.partition}: {row.state}"]
    if row.seconds is not None:
        parts.append(f"{row.seconds:.1f} s")
    if row.error:
        parts.append(row.why(public))
    return ", ".join(parts)
