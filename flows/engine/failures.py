"""Failed partitions, recorded under the root and not only in Prefect."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from fusemine.flows.server.system_errors import explained
from fusemine.tasks.core.errors import WHERE, ArtifactError, FusemineError
from fusemine.tasks.core.storage.records import read_record, write_record

if TYPE_CHECKING:
    from fusemine.tasks.core.storage.store import FileInfo, Store

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
    known = error if isinstance(error, FusemineError) else explained(error)
    failure = Failure(
        partition=partition,
        stage=known.stage if known else None,
        error=(known.whole() if known else repr(error))[:LONGEST],
        public=known.public()[:LONGEST] if known else WITHHELD,
        attempts=1 + (before.attempts if before else 0),
        at=datetime.now(UTC),
        flow_run_id=flow_run_id,
    )
    write_record(store, f"{FOLDER}/{partition}.json", failure)
    return failure


def clear_failure(store: Store, partition: str) -> None:
    """A partition that completed has not failed."""
    store.delete(f"{FOLDER}/{partition}.json")


def read_failures(store: Store) -> dict[str, Failure]:
    """The partitions whose last attempt failed; one whose record is damaged has failed as well."""
    files = [file for file in store.files(FOLDER) if file.folder == FOLDER and file.base[0] != "."]
    found = {file.base.removesuffix(".json"): _read(store, file) for file in files}
    return {partition: failure for partition, failure in found.items() if failure is not None}


def _read(store: Store, file: FileInfo) -> Failure | None:
    partition = file.base.removesuffix(".json")
    try:
        return read_record(
            store,
            file.name,
            Failure,
            expected=f"the record of the failure of {partition}",
            fix=f"run it again: fusemine run PIPELINE --partition {partition}; where the source "
            "has no such rows any more, remove the file",
            fits=lambda failure: failure.partition == partition,
        )
    except ArtifactError as error:
        at = datetime.fromtimestamp(file.modified, UTC)
        return Failure(
            partition=partition,
            stage=None,
            error=f"{error}"[:LONGEST],
            attempts=1,
            at=at,
            flow_run_id=None,
        )
