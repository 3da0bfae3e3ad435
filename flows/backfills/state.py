"""The record of a backfill below the root: what it set out to do, and how far it came."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from pydantic import BaseModel

from fusemine.flows.engine.failures import WITHHELD
from fusemine.tasks.core.errors import SettingsError, nearest
from fusemine.tasks.core.storage.records import read_record, write_record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from fusemine.tasks.core.storage.store import Store

FOLDER = "backfills"
Only = Literal["missing", "failed", "all"]
Order = Literal["oldest", "newest"]
Pool = Literal["auto", "here", "cpu", "gpu"]


class RowState(StrEnum):
    """How far a backfill is with a partition."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    BEFORE = "complete before"
    """It was complete when the backfill began, and is left as it is."""
    OTHER = "not chosen"
    """`only` does not name its state."""
    GAP = "no rows"


class Row(BaseModel):
    """One partition of a backfill."""

    partition: str
    state: RowState
    attempt: int = 0
    rows: int | None = None
    seconds: float | None = None
    link: str | None = None
    run: str | None = None
    error: str | None = None
    public: str | None = None
    """The part of the error that a server may be sent."""

    def failed(self, error: str, public: str) -> None:
        """Note that it failed, and why."""
        self.state, self.error, self.public = RowState.FAILED, error, public

    def shown(self, public: bool = False) -> dict[str, Any]:
        """The cells that people see, or those that a server may be sent."""
        values = self.model_dump(mode="json", exclude={"run", "link", "error", "public"})
        return {**values, "error": self.why(public)[:120] or None, "link": self.link}

    def why(self, public: bool = False) -> str:
        """The first line of its error, or of what a server may be sent of it; or nothing."""
        error = (self.public or WITHHELD) if public and self.error else self.error
        return (error or "").split("\n")[0]


class Backfill(BaseModel):
    """A range of partitions to mine, and the state of each."""

    id: str
    pipeline: Path
    only: Only
    order: Order
    max_parallel: int
    max_failures: int
    pool: Pool
    created_at: datetime
    rows: list[Row]
    preparation: Row | None = None
    """The run that prepares the union of the windows, where a pool does the work."""

    def shown(self, public: bool = False) -> list[dict[str, Any]]:
        """The grid that people see, or the one that a server may be sent."""
        first = [self.preparation] if self.preparation else []
        return [row.shown(public) for row in [*first, *self.rows]]

    def waiting(self) -> list[Row]:
        """The partitions that are still to be mined, in their order."""
        rows = [row for row in self.rows if row.state is RowState.WAITING]
        return rows if self.order == "oldest" else rows[::-1]

    def count(self, state: RowState) -> int:
        """How many partitions are in a state."""
        return sum(row.state is state for row in self.rows)

    def failed(self) -> list[str]:
        """The partitions that failed."""
        return [row.partition for row in self.rows if row.state is RowState.FAILED]

    def can_continue(self) -> bool:
        """Whether fewer partitions have failed than may."""
        return len(self.failed()) < self.max_failures

    def resume_command(self) -> str:
        """What to type to go on where it stopped."""
        return f"fusemine backfill {self.pipeline} --resume {self.id}"

    def save(self, store: Store) -> None:
        """Keep the record."""
        write_record(store, f"{FOLDER}/{self.id}.json", self)

    def leave_out(self, partitions: Collection[str]) -> None:
        """Do not mine these."""
        for row in self.rows:
            if row.partition in partitions and row.state is RowState.WAITING:
                row.state = RowState.OTHER

    def reset_unfinished(self) -> None:
        """What failed or was cut off is to be done again."""
        for row in [*self.rows, *([self.preparation] if self.preparation else [])]:
            if row.state in {RowState.FAILED, RowState.RUNNING}:
                row.state, row.seconds = RowState.WAITING, None
                row.error = row.public = None


def new_id() -> str:
    """The id of a new backfill: when it began, and something that makes it the only one."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:4]}"


def load_backfill(store: Store, name: str) -> Backfill:
    """The record of a backfill.

    Raises:
        SettingsError: There is none of that id.
        ArtifactError: It is damaged.
    """
    known = list(_ids(store))
    found = None
    if name in known:
        found = read_record(
            store,
            f"{FOLDER}/{name}.json",
            Backfill,
            expected="the record of a backfill, as it was written",
            fix="start a new one without --resume: what is complete is not done again",
            fits=lambda backfill: backfill.id == name,
        )
    if found is None:
        raise SettingsError(
            got=f"no backfill {name!r} below {store.root}",
            expected=f"one of {', '.join(known[-5:])}" if known else "the id of one that ran",
            fix=f"{nearest(name, known)}name one of them, or start a new backfill without --resume",
        )
    return found


def _ids(store: Store) -> Iterator[str]:
    names = (file.base for file in store.files(FOLDER) if file.folder == FOLDER)
    return (name.removesuffix(".json") for name in names if name[0] != ".")
