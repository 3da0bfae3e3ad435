"""Failed partitions, recorded under the root and not only in Prefect."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from fusemine.tasks.core.errors import WHERE, FusemineError

if TYPE_CHECKING:
    from fusemine.tasks.core.storage.store import Store

FOLDER = "failed"
LONGEST = 600
WITHHELD = f"an error whose words may quote rows: {WHERE}"
"""What a server is sent of an error of any kind."""


class Failure(BaseModel):
    """The last attempt at a partition, which failed.

    Args:
        partition: The partition.
        stage: The stage that failed, or None if it was none of them.
        error: Its message, cut to a readable length; it may quote rows.
        public: The part of it that a server may be sent.
        attempts: How many attempts in a row have failed.
        at: When.
        flow_run_id: The Prefect run of the last attempt.
    """

    model_config = ConfigDict(frozen=True)

    partition: str
    stage: str | None
    error: str
    public: str = WITHHELD
    attempts: int
    at: datetime
    flow_run_id: str | None

    def why(self, public: bool = False) -> str:
        """The first line of its message, or of what a server may be sent of it."""
        return (self.public if public else self.error).split("\n")[0]


def record_failure(
    store: Store, partition: str, error: Exception, flow_run_id: str | None
) -> Failure:
    """Record that an attempt at a partition failed."""
    before = read_failures(store).get(partition)
    ours = error if isinstance(error, FusemineError) else None
    failure = Failure(
        partition=partition,
        stage=ours.stage if ours else None,
        error=(ours.whole() if ours else repr(error))[:LONGEST],
        public=ours.public()[:LONGEST] if ours else WITHHELD,
        attempts=1 + (before.attempts if before else 0),
        at=datetime.now(UTC),
        flow_run_id=flow_run_id,
    )
    store.replace(f"{FOLDER}/{partition}.json", failure.model_dump_json(indent=1).encode())
    return failure


def clear_failure(store: Store, partition: str) -> None:
    """A partition that completed has not failed."""
    store.delete(f"{FOLDER}/{partition}.json")


def read_failures(store: Store) -> dict[str, Failure]:
    """The partitions whose last attempt failed."""
    found = {}
    for file in store.files(FOLDER):
        name = file.name.rpartition("/")[2]
        try:
            if not name.startswith("."):
                failure = Failure.model_validate_json(store.read(file.name))
                found[name.removesuffix(".json")] = failure
        except (ValidationError, OSError):
            continue  # written by another version, or just cleared
    return found
