"""The last complete run of each partition, as records below the root name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from fusemine.tasks.core.partition import is_partition
from fusemine.tasks.core.storage.artifact import locate, manifest_of, read_manifest
from fusemine.tasks.core.storage.records import read_record, write_record
from fusemine.tasks.upkeep.own import RECORDS, is_record

if TYPE_CHECKING:
    from fusemine.tasks.core.partition import PartitionSettings
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.core.storage.store import Store

NEWEST = "report/latest.html"
"""A copy of the newest partition's report."""
HTML = "report.html"


class Completed(BaseModel, frozen=True):
    """The last complete run of a partition.

    Args:
        pipeline: The pipeline's name.
        partition: The partition.
        keys: The keys of its stages.
        report: Where the page of its report is below the root.
    """

    pipeline: str
    partition: str
    keys: dict[str, str]
    report: str = ""

    @property
    def artifact(self) -> str:
        """The name of its report."""
        return self.report.rpartition("/")[0]

    def is_of(self, partition: str) -> bool:
        """Whether it is the record of a partition, and names a report of it."""
        parts = self.artifact.split("/")
        return (
            self.partition == partition and parts[:2] == ["report", partition] and len(parts) == 3
        )


@dataclass(frozen=True)
class Latest:
    """The records of a pipeline's last complete runs.

    Args:
        store: Where the pipeline keeps its artifacts.
    """

    store: Store

    def partitions(self) -> list[str]:
        """The partitions that have one, in the order of their keys."""
        names = [file.name for file in self.store.files(RECORDS)]
        # A folder in place of a record is damage.
        names += [f"{RECORDS}/{folder}" for folder in self.store.folders(RECORDS)]
        records = [name.removeprefix(f"{RECORDS}/") for name in names if is_record(name)]
        return sorted(name.removesuffix(".json") for name in records)

    def newest(self, settings: PartitionSettings | None) -> str | None:
        """The newest partition that has one.

        Records from before the table was cut otherwise do not count, whatever their names.

        Args:
            settings: How the table is cut; None if it has no time.
        """
        keys = [key for key in self.partitions() if is_partition(key, settings)]
        return max(keys, default=None)

    def report(self, partition: str) -> str | None:
        """The name of the report of a partition's last complete run; None if there is none.

        Raises:
            ArtifactError: The record cannot be read.
        """
        record = read_record(
            self.store,
            f"{RECORDS}/{partition}.json",
            Completed,
            expected=f"the record of the last complete run of {partition}",
            fix="make it again, which reuses what is complete: fusemine run PIPELINE --partition "
            f"{partition}; where the source has no such rows any more, remove the file",
            fits=lambda found: found.is_of(partition),
        )
        return record.artifact if record else None

    def reports(self) -> dict[str, str]:
        """The report of each partition's last complete run, oldest partition first.

        Raises:
            ArtifactError: A record cannot be read.
        """
        found = {partition: self.report(partition) for partition in self.partitions()}
        return {partition: name for partition, name in found.items() if name is not None}

    def publish(
        self, record: Completed, report: ArtifactRef, settings: PartitionSettings | None
    ) -> None:
        """Name a run as the last complete one of its partition.

        A backfill of an old partition does not take the place of the newest one's report.
        """
        manifest, partition = read_manifest(report), report.partition
        complete = record.model_copy(update={"report": manifest.path(HTML)})
        write_record(self.store, f"{RECORDS}/{partition}.json", complete)
        if self.newest(settings) == partition:
            self.store.replace(NEWEST, self.store.read(manifest.path(HTML)))

    def remove(self, partition: str) -> None:
        """Remove the record of a partition."""
        self.store.delete(f"{RECORDS}/{partition}.json")

    def newest_report(self) -> str | None:
        """The name of the report that `NEWEST` is a copy of; None if it is gone."""
        try:
            sha256 = self.store.sha256(NEWEST)
        except OSError:
            return None
        for name in self.reports().values():
            manifest = manifest_of(self.store.root, name)
            if manifest and HTML in manifest.files and manifest.files[HTML].sha256 == sha256:
                return name
        return None


def html_of(report: ArtifactRef) -> str:
    """The file of a report's page."""
    return locate(report, HTML)
