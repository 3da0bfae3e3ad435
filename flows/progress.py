"""Progress of long work on the flow run's page."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each update is a request to the server.
SECONDS_BETWEEN_UPDATES = 2.0


class _Bars:
    """One progress artifact for each kind of work, updated no more often than need be."""

    def __init__(self) -> None:
        self._ids: dict[str, UUID] = {}
        self._told: dict[str, float] = {}

    def tell(self, what: str, done: int, total: int) -> None:
        percent = 100.0 * done / max(1, total)
        if what not in self._ids:
            made = create_progress_artifact(percent, key=what, description=f"{what}: {total}")
            self._ids[what] = UUID(str(made))
        elif done < total and time.monotonic() - self._told[what] < SECONDS_BETWEEN_UPDATES:
            return
        else:
            update_progress_artifact(self._ids[what], percent)
        self._told[what] = time.monotonic()


@contextmanager
def shown_in_ui() -> Iterator[None]:
    """Show what is reported within the block as progress artifacts of the flow run."""
    with progress.listening(_Bars().tell):
        yield
