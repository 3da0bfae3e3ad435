"""Failed partitions, recorded under the root and not only in Prefect."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from fusemine.flows.server.system_errors import explained
from fusemine.tasks.core.errors import FusemineError

if TYPE_CHECKING:
    from fusemine.tasks.core.storage.store import Store

FOLDER = "failed"
LONGEST = 600


class Failure(BaseModel):
    """The last attempt at a partition, which failed.

    Args:
        partition: The partition.
        stage: The stage that failed, or None if it was none of them.
        error: Its message, cut to a readable length.
        attempts: How many attempts in a row have failed.
        at: When.
        flow_run_id: The Prefect run of the last attempt.
    """

    model_config = ConfigDict(frozen=True)

    partition: str
    stage: str | None
    error: str
    attempts: int
    at: datetime
    flow_run_id: str | None


def record_failure(
    store: Store, partition: str, error: Exception, flow_run_id: str | None
) -> Failure:
    """Record that an attempt at a partition failed."""
    before = read_failures(store).get(partition)
    known = error if isinstance(error, FusemineError) else explained(error)
    failure = Failure(
        partition=partition,
        stage=error.stage if isinstance(error, FusemineError) else None,
        error=f"{known or repr(error)}"[:LONGEST],
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
